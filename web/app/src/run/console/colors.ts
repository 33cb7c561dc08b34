/**
 * The colours of programs: the sixteen by name are in console.css, for both schemes; the rest are
 * the usual 256.
 */

const COLOR_CUBE_LEVELS = [0, 95, 135, 175, 215, 255];

/** The CSS class for one of the sixteen colours, or its value. */
export function colorOf(color: number | string): { class?: string; value?: string } {
  if (typeof color === "string") return { value: color };
  if (color < 16) return { class: String(color) };
  if (color >= 232) {
    const gray = 8 + (color - 232) * 10;
    return { value: `rgb(${gray} ${gray} ${gray})` };
  }
  const index = color - 16;
  const level = (step: number) => COLOR_CUBE_LEVELS[Math.floor(index / step) % 6];
  return { value: `rgb(${level(36)} ${level(6)} ${level(1)})` };
}
