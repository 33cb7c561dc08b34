/** English: editor. */
export const editor = {} as const satisfies Record<string, string>;
