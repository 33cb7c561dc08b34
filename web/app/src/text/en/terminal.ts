/** English: terminal. */
export const terminal = {} as const satisfies Record<string, string>;
