import type { status as measure } from "../en/status";

/** Deutsch: status. */
export const status: Record<keyof typeof measure, string> = {
};
