import type { editor as measure } from "../en/editor";

/** Deutsch: editor. */
export const editor: Record<keyof typeof measure, string> = {};
