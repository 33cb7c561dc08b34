/** English: channels. */
export const channels = {} as const satisfies Record<string, string>;
