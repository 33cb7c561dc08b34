/** What a program shows and asks for beside its text: the state behind the panels of this folder. */

import type { Program } from "further-link";

export class Channels {
  constructor(readonly program: Program) {}

  /** Stops listening, and frees what pictures hold. */
  dispose(): void {}
}
