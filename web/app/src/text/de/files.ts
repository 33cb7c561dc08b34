import type { files as measure } from "../en/files";

/** Deutsch: files. */
export const files: Record<keyof typeof measure, string> = {};
