/** Short messages to the person: what went wrong or well, for a while or until it is dismissed. */

import { signal } from "@preact/signals";

interface Notice {
  readonly id: number;
  readonly kind: "info" | "bad";
  readonly text: string;
}

/**
 * How long something is shown that needs no answer, in ms. Errors stay until they are dismissed.
 */
const NOTICE_DURATION_MS = 5000;
/** More at once are not read by anybody; the oldest goes. */
const NOTICES_SHOWN_MAX = 4;

export const notices = signal<readonly Notice[]>([]);

let last = 0;

export function notify(text: string, kind: Notice["kind"] = "info"): void {
  last += 1;
  const notice = { id: last, kind, text };
  // What is said already is not said twice.
  const others = notices.value.filter((other) => other.text !== text);
  notices.value = [...others, notice].slice(-NOTICES_SHOWN_MAX);
  if (kind === "info") setTimeout(() => dismiss(notice.id), NOTICE_DURATION_MS);
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}
