import type { terminal as measure } from "../en/terminal";

/** Deutsch: terminal. */
export const terminal: Record<keyof typeof measure, string> = {};
