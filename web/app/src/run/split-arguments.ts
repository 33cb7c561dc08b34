/** Arguments as a person types them. */

/**
 * The words of a line: spaces part them, but not inside of quotation marks; a backslash takes the
 * next character as it is. Null if a quotation mark is not closed.
 */
export function splitWords(line: string): string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote: string | null = null;
  for (let index = 0; index < line.length; index += 1) {
    const character = line.charAt(index);
    if (quote !== null && character === quote) {
      quote = null;
    } else if (character === "\\" && quote !== "'" && index + 1 < line.length) {
      index += 1;
      word = (word ?? "") + line.charAt(index);
    } else if (quote === null && (character === '"' || character === "'")) {
      quote = character;
      word ??= "";
    } else if (quote === null && /\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote !== null) return null;
  if (word !== null) words.push(word);
  return words;
}
