import { shell } from "./shell";
import { run } from "./run";
import { files } from "./files";
import { editor } from "./editor";
import { terminal } from "./terminal";
import { channels } from "./channels";
import { status } from "./status";

const all = { ...shell, ...run, ...files, ...editor, ...terminal, ...channels, ...status };

export type Text = Record<keyof typeof all, string>;
export const en: Text = all;
