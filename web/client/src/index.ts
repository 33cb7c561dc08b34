/** Run code and terminals on a device with Further Link. `README.md` of the package shows how. */

export { Backoff, type BackoffOptions } from "./backoff.js";
export { CloseCode } from "./close-code.js";
export { FilesError } from "./errors.js";
export { FurtherLink, type LinkEvents, type LinkOptions } from "./link.js";
export type * from "./messages.js";
export type { WebSocketConstructor, WebSocketLike } from "./session.js";
export type * from "./types.js";
