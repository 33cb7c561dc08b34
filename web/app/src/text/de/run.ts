import type { run as measure } from "../en/run";

/** Deutsch: run. */
export const run: Record<keyof typeof measure, string> = {
};
