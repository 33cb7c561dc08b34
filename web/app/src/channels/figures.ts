/** The figures of a program, as they are now. */

import { signal } from "@preact/signals";
import type { Figure } from "further-link";

/** Figures that are kept; of more the oldest goes. Matplotlib itself warns from 20 on. */
export const FIGURES_SHOWN_MAX = 32;

export interface ShownFigure extends Omit<Figure, "closed" | "image"> {
  readonly image: Blob;
  /** An object URL of the image. */
  readonly url: string;
}

export class Figures {
  readonly #shown = signal<readonly ShownFigure[]>([]);
  #isOver = false;

  /**
   * `onClose` is called when the person closes a figure, with its id and whether the program is
   * over.
   */
  constructor(readonly onClose: (id: string, isOver: boolean) => void = () => {}) {}

  get shown(): readonly ShownFigure[] {
    return this.#shown.value;
  }

  /** Takes a figure as it is now. The answer is the ids of those that are gone with that. */
  take(figure: Figure): string[] {
    if (figure.closed || figure.image === null) {
      this.remove(figure.id);
      return [figure.id];
    }
    const { id, title, format, width, height, image } = figure;
    // Its type decides what the browser makes of it, so it is not left to the sender.
    const typed = image.slice(0, image.size, format === "svg" ? "image/svg+xml" : "image/png");
    const next = { id, figure: figure.figure, title, format, width, height, image: typed };
    const drawn: ShownFigure = { ...next, url: URL.createObjectURL(typed) };
    const before = this.#shown.peek();
    const index = before.findIndex((other) => other.id === id);
    if (index >= 0) {
      URL.revokeObjectURL(before[index]!.url);
      this.#shown.value = before.map((other, place) => (place === index ? drawn : other));
      return [];
    }
    const gone = before.slice(0, Math.max(0, before.length + 1 - FIGURES_SHOWN_MAX));
    for (const old of gone) URL.revokeObjectURL(old.url);
    this.#shown.value = [...before.slice(gone.length), drawn];
    return gone.map((old) => old.id);
  }

  /** The person closes a figure. */
  close(id: string): void {
    this.onClose(id, this.#isOver);
    this.remove(id);
  }

  /** The program is over. */
  end(): void {
    this.#isOver = true;
  }

  remove(id: string): void {
    const before = this.#shown.peek();
    const old = before.find((figure) => figure.id === id);
    if (old === undefined) return;
    URL.revokeObjectURL(old.url);
    this.#shown.value = before.filter((figure) => figure !== old);
  }

  clear(): void {
    for (const figure of this.#shown.peek()) URL.revokeObjectURL(figure.url);
    this.#shown.value = [];
  }
}
