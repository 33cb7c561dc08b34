/** The connection to the device that has served this page. */

import { signal } from "@preact/signals";
import { type ConnectionState, FurtherLink, type Runner } from "further-link";

/**
 * `?user=ann` in the page's address: whose programs and files they are, as everywhere in the
 * protocol.
 */
const user = new URLSearchParams(location.search).get("user") ?? "";

export const link = new FurtherLink({
  features: ["figure", "plot", "widget", "sound"],
  ...(user === "" ? {} : { user }),
});

export const connection = signal<ConnectionState>(link.state);
link.on("state", (state) => {
  connection.value = state;
});

/** The languages and other runners of the device; empty until it has told them. */
export const runners = signal<readonly Runner[]>([]);
