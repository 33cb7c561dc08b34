/** Windows of a program's display: pages of the device that show them. */

import { signal } from "@preact/signals";

/** Windows that are listed; a program has one display, whose page is the same for all. */
const WINDOWS_SHOWN_MAX = 8;

export interface WindowPage {
  readonly port: number;
  readonly path: string;
}

export class Windows {
  readonly #pages = signal<readonly WindowPage[]>([]);

  get pages(): readonly WindowPage[] {
    return this.#pages.value;
  }

  add({ port, path }: WindowPage): void {
    if (!Number.isInteger(port) || port < 1 || port > 65_535 || !path.startsWith("/")) return;
    const known = this.#pages.peek();
    const isKnown = known.some((page) => page.port === port && page.path === path);
    if (known.length >= WINDOWS_SHOWN_MAX || isKnown) return;
    this.#pages.value = [...known, { port, path }];
  }

  clear(): void {
    this.#pages.value = [];
  }
}
