/**
 * The colours of the page for what draws by itself (canvases, the terminal), and when they change.
 */

/** Returns the value of a name of `tokens.css` that is no colour: `token("--mono")`. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/**
 * Returns the colour that a name of `tokens.css` stands for now, as `#rrggbb`: `color("--accent")`.
 */
export function color(name: string): string {
  // The value of the custom property itself is the pair of colours, unresolved.
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.documentElement.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  const [red, green, blue] = resolved.match(/\d+/g) ?? [];
  if (red === undefined || green === undefined || blue === undefined) return resolved;
  const digits = [red, green, blue].map((part) => Number(part).toString(16).padStart(2, "0"));
  return `#${digits.join("")}`;
}

/** Returns whether the page is dark now: by its setting, else by the system's. */
export function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Calls `changed` whenever light and dark have changed: by the system or by the page's setting. */
export function onSchemeChange(changed: () => void): () => void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const observer = new MutationObserver(changed);
  dark.addEventListener("change", changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  return () => {
    dark.removeEventListener("change", changed);
    observer.disconnect();
  };
}
