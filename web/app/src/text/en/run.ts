/** English: run. */
export const run = {
} as const satisfies Record<string, string>;
