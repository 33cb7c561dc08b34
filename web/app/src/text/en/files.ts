/** English: files. */
export const files = {} as const satisfies Record<string, string>;
