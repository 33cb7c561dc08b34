/** Which lines two texts do not have in common. */

/**
 * Lines that are compared one by one on each side (the work is their product); more are shown as a
 * block.
 */
const COMPARED_MAX_LINES = 2000;

interface DifferingLine {
  readonly kind: "mine" | "theirs";
  /** From 1, in its own text. */
  readonly number: number;
  readonly text: string;
}

/** In the order of the texts: at each place first what is only mine, then what is only theirs. */
export function differingLines(mine: string, theirs: string): DifferingLine[] {
  const a = mine.split("\n");
  const b = theirs.split("\n");
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const middleA = a.slice(start, a.length - end);
  const middleB = b.slice(start, b.length - end);
  const only = (kind: DifferingLine["kind"], lines: readonly string[], at: number): DifferingLine => ({
    kind,
    number: start + at + 1,
    text: lines[at]!,
  });
  if (middleA.length > COMPARED_MAX_LINES || middleB.length > COMPARED_MAX_LINES) {
    return [
      ...middleA.map((_, at) => only("mine", middleA, at)),
      ...middleB.map((_, at) => only("theirs", middleB, at)),
    ];
  }
  // The longest common subsequence: `lengths` has it for what follows each pair of lines.
  const width = middleB.length + 1;
  const lengths = new Uint16Array((middleA.length + 1) * width);
  for (let i = middleA.length - 1; i >= 0; i -= 1) {
    for (let j = middleB.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] =
        middleA[i] === middleB[j]
          ? lengths[(i + 1) * width + j + 1]! + 1
          : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
    }
  }
  const found: DifferingLine[] = [];
  let i = 0;
  let j = 0;
  while (i < middleA.length || j < middleB.length) {
    if (i < middleA.length && j < middleB.length && middleA[i] === middleB[j]) {
      i += 1;
      j += 1;
    } else if (
      i < middleA.length &&
      (j === middleB.length || lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!)
    ) {
      found.push(only("mine", middleA, i));
      i += 1;
    } else {
      found.push(only("theirs", middleB, j));
      j += 1;
    }
  }
  return found;
}
