/** What keys send to a program in a terminal, for keys that a phone does not have. */

/** Ctrl and Alt of the row of keys count for the next key. */
export interface Modifiers {
  readonly ctrl: boolean;
  readonly alt: boolean;
}

export const NO_MODIFIERS: Modifiers = { ctrl: false, alt: false };

const CURSOR_KEYS: Readonly<Record<string, string>> = {
  ArrowUp: "A",
  ArrowDown: "B",
  ArrowRight: "C",
  ArrowLeft: "D",
  Home: "H",
  End: "F",
};

const NUMBERED_KEYS: Readonly<Record<string, string>> = { PageUp: "5", PageDown: "6", Delete: "3" };

/**
 * What a named key sends; `application` is the mode in which programs such as vim have the cursor
 * keys.
 */
export function sequenceOf(key: string, { ctrl, alt }: Modifiers, application: boolean): string {
  const modifier = 1 + (alt ? 2 : 0) + (ctrl ? 4 : 0);
  const cursor = CURSOR_KEYS[key];
  if (cursor !== undefined) {
    if (modifier > 1) return `\x1b[1;${modifier}${cursor}`;
    return application ? `\x1bO${cursor}` : `\x1b[${cursor}`;
  }
  const number = NUMBERED_KEYS[key];
  if (number !== undefined) return modifier > 1 ? `\x1b[${number};${modifier}~` : `\x1b[${number}~`;
  if (key === "Escape") return alt ? "\x1b\x1b" : "\x1b";
  if (key === "Tab") return alt ? "\x1b\t" : "\t";
  return modified(key, { ctrl, alt });
}

/** Text as it is with Ctrl or Alt held: for one character only, as more are not one key. */
export function modified(text: string, { ctrl, alt }: Modifiers): string {
  if ([...text].length !== 1) return text;
  const key = ctrl ? control(text) : text;
  return alt ? `\x1b${key}` : key;
}

/** The character that Ctrl makes of a key; the key itself where there is none. */
function control(key: string): string {
  const code = key.toUpperCase().charCodeAt(0);
  if (code >= 0x40 && code <= 0x5f) return String.fromCharCode(code & 0x1f);
  const others: Readonly<Record<string, string>> = { " ": "\0", "?": "\x7f", "2": "\0", "/": "\x1f", "-": "\x1f" };
  return others[key] ?? key;
}
