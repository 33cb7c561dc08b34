import { t } from "../text";

/**
 * Keys that do something together, as they are called in the page's language: `Ctrl+Shift+F` is
 * `Strg+Umschalt+F`.
 */
export function shortcut(keys: string): string {
  return keys.replace(/\b(?:Ctrl|Shift)\b/g, (key) => t(key === "Ctrl" ? "keyControl" : "keyShift"));
}
