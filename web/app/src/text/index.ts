/**
 * All words that people read, in one place: `text/LANGUAGE/AREA.ts`. English is the measure: the
 * other languages have the same keys, which the compiler checks.
 */

import { computed, signal } from "@preact/signals";
import { de } from "./de";
import { en, type Text } from "./en";

export type Language = "en" | "de";
export type Key = keyof Text;

/** What is to be put into a text: the names between its braces. */
type Names<Words extends string> = Words extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
type NamesOf<K extends Key> = K extends Key ? Names<(typeof en)[K]> : never;
type Values<K extends Key> = [NamesOf<K>] extends [never] ? [] : [Readonly<Record<NamesOf<K>, string | number>>];

/** Texts that are said as they are. */
export type PlainKey = { [K in Key]: [NamesOf<K>] extends [never] ? K : never }[Key];

export const languages: Record<Language, string> = { en: "English", de: "Deutsch" };
const texts: Record<Language, Text> = { en, de };

const LANGUAGE_STORAGE_KEY = "further-link.language";

function initial(): Language {
  const stored = read();
  if (stored !== null && stored in texts) return stored as Language;
  for (const wanted of navigator.languages ?? []) {
    const short = wanted.slice(0, 2).toLowerCase();
    if (short in texts) return short as Language;
  }
  return "en";
}

function read(): string | null {
  try {
    return localStorage.getItem(LANGUAGE_STORAGE_KEY);
  } catch {
    // Storage may be switched off.
    return null;
  }
}

export const language = signal<Language>(initial());

export function chooseLanguage(chosen: Language): void {
  language.value = chosen;
  try {
    localStorage.setItem(LANGUAGE_STORAGE_KEY, chosen);
  } catch {
    // It then counts for this visit only.
  }
}

const text = computed(() => texts[language.value]);

/**
 * The words for `key`, with `{name}` replaced by what `values` says. A component that calls it is
 * drawn again when the language changes.
 */
export function t<K extends Key>(key: K, ...[values]: Values<K>): string {
  const words = text.value[key];
  if (values === undefined) return words;
  return words.replace(/\{(\w+)\}/g, (_, name: NamesOf<K>) => String(values[name]));
}
