/** Errors that an application can tell apart. */

/**
 * A request that the device did not fulfil. The message is a sentence for people, in the device's
 * language.
 */
export class FilesError extends Error {
  /** Characters of a message that are kept. */
  static readonly MESSAGE_MAX_CHARS = 1_000;

  override readonly name: string = "FilesError";

  /**
   * @param status of HTTP (`docs/protocol.md` section 12, "Limits and errors"); 0 if the device
   * does not answer @param etag with status 412: of what is there
   */
  constructor(
    readonly status: number,
    message: string,
    readonly etag: string | null = null,
  ) {
    super(message);
  }
}
