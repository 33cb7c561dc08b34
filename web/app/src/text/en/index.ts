import { channels } from "./channels";
import { editor } from "./editor";
import { files } from "./files";
import { run } from "./run";
import { shell } from "./shell";
import { status } from "./status";
import { terminal } from "./terminal";

export const en = { ...shell, ...run, ...files, ...editor, ...terminal, ...channels, ...status };

export type Text = Record<keyof typeof en, string>;
