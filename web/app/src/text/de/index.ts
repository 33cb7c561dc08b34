import type { Text } from "../en";
import { shell } from "./shell";
import { run } from "./run";
import { files } from "./files";
import { editor } from "./editor";
import { terminal } from "./terminal";
import { channels } from "./channels";
import { status } from "./status";

export const de: Text = { ...shell, ...run, ...files, ...editor, ...terminal, ...channels, ...status };
