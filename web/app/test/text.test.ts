// @vitest-environment happy-dom
import { expect, it } from "vitest";
import { chooseLanguage } from "../src/text";
import { de } from "../src/text/de";
import { en, type Text } from "../src/text/en";
import { shortcut } from "../src/ui/shortcut";

/**
 * The names between braces. (That callers give all of them, and no others, the compiler checks for
 * English.)
 */
function names(words: string): string[] {
  return [...words.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort();
}

it("puts the same into the texts of all languages", () => {
  for (const language of [de] as readonly Text[]) {
    for (const [key, words] of Object.entries(en)) {
      expect([key, names(language[key as keyof Text])]).toEqual([key, names(words)]);
      expect(language[key as keyof Text]).not.toBe("");
    }
  }
});

it("calls keys as keyboards do", () => {
  chooseLanguage("de");
  expect(shortcut("Ctrl+Shift+F")).toBe("Strg+Umschalt+F");
  chooseLanguage("en");
  expect(shortcut("Ctrl+Shift+F")).toBe("Ctrl+Shift+F");
});
