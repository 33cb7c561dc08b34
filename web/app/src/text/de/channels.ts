import type { channels as measure } from "../en/channels";

/** Deutsch: channels. */
export const channels: Record<keyof typeof measure, string> = {};
