/** Where the device is. */

import type { WaitReason } from "./types.js";

/** Milliseconds for the question why no connection came about. */
const REFUSAL_CHECK_TIMEOUT_MS = 5_000;

export interface AddressOptions {
  /**
   * The device, as `https://robot.local:8028`; of a page that comes from the device, where it comes
   * from.
   */
  readonly base?: string | URL;
  /** The account on the device, instead of its default one. */
  readonly user?: string;
  /** Instead of the global one. */
  readonly fetch?: typeof fetch;
}

export interface Address {
  readonly fetch: typeof fetch;
  /**
   * The address of a path (`fs/main.py`, in its encoded form), with the account and what else is in
   * the query.
   */
  url(path: string, query?: Readonly<Record<string, string>>): URL;
  /** Why a WebSocket may have been refused; null if nothing speaks against it. */
  whyNot(): Promise<WaitReason | null>;
}

export function addressOf(options: AddressOptions): Address {
  // Looked up when it is used, as a global function needs the global object as `this`.
  const ask: typeof fetch = (...request) => (options.fetch ?? globalThis.fetch)(...request);
  const url: Address["url"] = (path, query = {}) => {
    const base = options.base ?? globalThis.location?.origin;
    if (base === undefined)
      throw new Error("Say with the option base where the device is, as http://robot.local:8028.");
    const found = new URL(base);
    if (found.protocol !== "http:" && found.protocol !== "https:") {
      throw new Error("The address of the device has to begin with http:// or https://.");
    }
    found.search = "";
    found.hash = "";
    // A base without a slash at its end is a folder as well.
    found.pathname = `${found.pathname.replace(/\/$/, "")}/${path}`;
    if (options.user !== undefined) found.searchParams.set("user", options.user);
    for (const [name, value] of Object.entries(query)) found.searchParams.set(name, value);
    return found;
  };
  return {
    fetch: ask,
    url,
    async whyNot() {
      const abort = new AbortController();
      const timer = setTimeout(() => abort.abort(), REFUSAL_CHECK_TIMEOUT_MS);
      try {
        const { status } = await ask(url("status"), { cache: "no-store", signal: abort.signal });
        if (status === 403) return "refused";
        if (status === 503) return "full";
        return "no-websocket";
      } catch {
        return null;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
