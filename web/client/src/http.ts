/** What goes wrong with plain HTTP, as errors. */

import { FilesError } from "./errors.js";

/**
 * Of an answer with an error: the first line of its body is the status, the second, if there is
 * one, a sentence for people (`docs/protocol.md` section 1, "Errors").
 */
export function answerFailure(status: number, text: string, etag: string | null): FilesError {
  const [first = "", sentence = ""] = text.split("\n");
  const message = sentence.trim() || first.replace(/^\d{3}:? ?/, "").trim() || `Status ${status}`;
  return new FilesError(status, message.slice(0, FilesError.MESSAGE_MAX_CHARS), etag);
}

/** Of a request without an answer, or with half of one. Who has aborted it gets that error back. */
export function unreachable(error: unknown): unknown {
  if (error instanceof FilesError) return error;
  if (error instanceof Error && error.name === "AbortError") return error;
  return new FilesError(0, "The device does not answer.");
}
