/**
 * A program's output on its way to the view that shows it. A view takes a moment to be there (a
 * terminal is loaded when it is needed first); until then the output waits here, and the device
 * holds the program back.
 */

import type { Output, Program } from "further-link";

type Taker = (output: Output) => void | Promise<void>;

export class OutputBuffer {
  #taker: Taker | null = null;
  #unwanted = false;
  #waiting: { readonly output: Output; readonly taken: (result: void | Promise<void>) => void }[] = [];

  constructor(program: Program) {
    program.on("output", (output) => {
      if (this.#unwanted) return;
      if (this.#taker !== null) return this.#taker(output);
      return new Promise<void>((taken) => this.#waiting.push({ output, taken }));
    });
  }

  /**
   * Hands all output to `taker` from now on, in order, what has waited first. There is one at a
   * time.
   */
  attach(taker: Taker): () => void {
    if (this.#unwanted) return () => {};
    this.#taker = taker;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { output, taken } of waiting) taken(taker(output));
    return () => {
      if (this.#taker === taker) this.#taker = null;
    };
  }

  /**
   * Nobody will look at it any more. What comes is thrown away, and counts as taken: the device
   * could not tell the end of a program whose output nobody takes.
   */
  dispose(): void {
    this.#unwanted = true;
    this.#taker = null;
    for (const { taken } of this.#waiting.splice(0)) taken();
  }
}
