/**
 * Links in a terminal's lines: places in files that errors name. A line of the program may be
 * several of the screen.
 */

import type { IBufferLine, ILink, ILinkProvider, Terminal } from "@xterm/xterm";

export interface LineLink {
  /** Characters of the line: the first, and the one after the last. */
  readonly start: number;
  readonly end: number;
  readonly activate: () => void;
}

export type LinksOf = (line: string) => readonly LineLink[];

/**
 * Lines of the screen that are read for one of the program: it is read whenever the mouse moves
 * over it.
 */
const LINK_MAX_ROWS = 32;

interface Place {
  readonly x: number;
  readonly y: number;
}

export class FileLinks implements ILinkProvider {
  readonly #terminal: Terminal;
  readonly #linksOf: LinksOf;

  constructor(terminal: Terminal, linksOf: LinksOf) {
    this.#terminal = terminal;
    this.#linksOf = linksOf;
  }

  provideLinks(row: number, callback: (links: ILink[] | undefined) => void): void {
    const { text, places } = this.#line(row - 1);
    const links: ILink[] = [];
    for (const { start, end, activate } of this.#linksOf(text)) {
      const first = places[start];
      const last = places[end - 1];
      if (first !== undefined && last !== undefined) {
        links.push({ range: { start: first, end: last }, text: text.slice(start, end), activate });
      }
    }
    callback(links.length > 0 ? links : undefined);
  }

  /**
   * The line that the row is a part of, and for each of its characters where it is on the screen,
   * both from 1.
   */
  #line(row: number): { readonly text: string; readonly places: readonly Place[] } {
    const buffer = this.#terminal.buffer.active;
    let first = row;
    while (first > 0 && row - first < LINK_MAX_ROWS && buffer.getLine(first)?.isWrapped) first -= 1;
    let text = "";
    const places: Place[] = [];
    for (let y = first; y < first + 2 * LINK_MAX_ROWS; y += 1) {
      const line = buffer.getLine(y);
      if (line === undefined || (y > first && !line.isWrapped)) break;
      const part = characters(line, this.#terminal.cols);
      text += part.text;
      for (const x of part.columns) places.push({ x, y: y + 1 });
    }
    return { text, places };
  }
}

/** The text of a row, and the column of each of its UTF-16 units. */
function characters(line: IBufferLine, columns: number): { readonly text: string; readonly columns: number[] } {
  let text = "";
  const places: number[] = [];
  for (let x = 0; x < columns; x += 1) {
    const cell = line.getCell(x);
    // The second half of a wide character.
    if (cell === undefined || cell.getWidth() === 0) continue;
    const chars = cell.getChars() || " ";
    text += chars;
    for (let unit = 0; unit < chars.length; unit += 1) places.push(x + 1);
  }
  return { text, columns: places };
}
