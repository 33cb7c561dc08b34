import type { shell as measure } from "../en/shell";

/** Deutsch: shell. */
export const shell: Record<keyof typeof measure, string> = {
};
