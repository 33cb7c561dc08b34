/** English: status. */
export const status = {
} as const satisfies Record<string, string>;
