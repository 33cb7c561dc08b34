import type { Text } from "../en";
import { channels } from "./channels";
import { editor } from "./editor";
import { files } from "./files";
import { run } from "./run";
import { shell } from "./shell";
import { status } from "./status";
import { terminal } from "./terminal";

export const de: Text = { ...shell, ...run, ...files, ...editor, ...terminal, ...channels, ...status };
