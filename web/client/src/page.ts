/** What a page knows of its network and of whether somebody looks at it. */

export interface PageHandler {
  /** The network is back, or somebody looks at the page: a good moment to try again. */
  wake(): void;
  /** Nobody looks at the page any more. */
  hidden?(): void;
}

/** Tells until the answer is called. Outside of a page, nothing is ever told. */
export function watchPage({ wake, hidden }: PageHandler): () => void {
  if (typeof document === "undefined" || typeof globalThis.addEventListener !== "function") return () => {};
  const changed = () => {
    if (document.visibilityState === "visible") wake();
    else hidden?.();
  };
  globalThis.addEventListener("online", wake);
  document.addEventListener("visibilitychange", changed);
  return () => {
    globalThis.removeEventListener("online", wake);
    document.removeEventListener("visibilitychange", changed);
  };
}
