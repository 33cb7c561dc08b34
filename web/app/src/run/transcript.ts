/** All that a program has output, as text, to be saved or copied. */

/** Characters that are kept; the oldest go. Memory of the browser, two bytes each. */
const TRANSCRIPT_MAX_CHARS = 32 * 1024 * 1024;

export class Transcript {
  #pieces: string[] = [];
  #length = 0;
  #gone = 0;

  get length(): number {
    return this.#length;
  }

  /** Characters at its front that are not kept any more. */
  get gone(): number {
    return this.#gone;
  }

  add(text: string): void {
    if (text === "") return;
    this.#pieces.push(text);
    this.#length += text.length;
    // Joined now and then, so that a program that prints letter by letter does not cost an object
    // for each.
    if (this.#pieces.length > 4096) this.#pieces = [this.#pieces.join("")];
    if (this.#length > TRANSCRIPT_MAX_CHARS + TRANSCRIPT_MAX_CHARS / 8) this.#shorten();
  }

  clear(): void {
    this.#pieces = [];
    this.#length = 0;
    this.#gone = 0;
  }

  text(): string {
    const all = this.#pieces.join("");
    this.#pieces = all === "" ? [] : [all];
    return all;
  }

  #shorten(): void {
    const kept = this.text().slice(-TRANSCRIPT_MAX_CHARS);
    this.#gone += this.#length - kept.length;
    this.#length = kept.length;
    this.#pieces = [kept];
  }
}
