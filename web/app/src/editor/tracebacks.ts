/**
 * Finds in a line of output where in a program an error is, as the languages' own tools write it.
 */

interface Reference {
  /** Where in the line it is written, as indices of the string. */
  readonly start: number;
  readonly end: number;
  readonly path: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column?: number;
}

/**
 * Characters of a line that are looked at: tools write short lines, and the rest is somebody's
 * data.
 */
const LINE_MAX_CHARS = 2000;
/** References in a line: a chain of them is longer than anybody reads. */
const REFERENCES_PER_LINE_MAX = 8;
/**
 * Characters of a path. Bounds what is tried at each place, so that the work grows with the length
 * only.
 */
const PATH_MAX_CHARS = 400;

/** Ends of names of programs, for the forms that say nothing else: `game.py:3`, and not `10:30`. */
const PROGRAM_EXTENSIONS =
  "py|pyw|js|mjs|cjs|jsx|ts|mts|tsx|c|h|cc|cpp|cxx|hpp|ino|rs|go|rb|pl|pm|php|java|kt|lua|sh|bash|html|css|json|toml|yaml|yml";

/** A path without blanks and what tools put around paths. */
const PATH_PATTERN = String.raw`[^\s:"'()<>|*?]{1,${PATH_MAX_CHARS}}`;

interface Form {
  /**
   * With the groups `path`, `line` and perhaps `column`; what is marked is `mark`, or all of it.
   */
  readonly pattern: RegExp;
  /** What has to be in the line for the pattern to be worth trying. */
  readonly hint: string;
}

const forms: readonly Form[] = [
  // Python: File "/home/ann/further/game.py", line 3, in main
  {
    hint: 'File "',
    pattern: new RegExp(String.raw`File "(?<path>[^"]{1,${PATH_MAX_CHARS}})", line (?<line>\d{1,7})`, "g"),
  },
  // PHP: in /home/ann/further/game.php on line 3
  {
    hint: " on line ",
    pattern: new RegExp(
      String.raw`\bin (?<mark>(?<path>/?[^\s:"'()<>|*?][^:"'()<>|*?]{0,${PATH_MAX_CHARS}}) on line (?<line>\d{1,7}))`,
      "g",
    ),
  },
  // Perl: at game.pl line 3.
  {
    hint: " line ",
    pattern: new RegExp(
      String.raw`\bat (?<mark>(?<path>[^\s:"'()<>|*?][^:"'()<>|*?]{0,${PATH_MAX_CHARS}}) line (?<line>\d{1,7}))(?=[.,]|$)`,
      "g",
    ),
  },
  // Bash: ./game.sh: line 3: foo: command not found
  {
    hint: ": line ",
    pattern: new RegExp(
      String.raw`^(?<mark>(?<path>[^\s:"'()<>|*?][^:"'()<>|*?]{0,${PATH_MAX_CHARS}}): line (?<line>\d{1,7})):`,
      "g",
    ),
  },
  // Dash: ./game.sh: 3: foo: not found
  {
    hint: ": ",
    pattern: new RegExp(
      String.raw`^(?<mark>(?<path>[^\s:"'()<>|*?]{0,${PATH_MAX_CHARS}}(?:/[^\s:"'()<>|*?]{1,${PATH_MAX_CHARS}}|\.sh)): (?<line>\d{1,7})):(?= )`,
      "g",
    ),
  },
  // Node, with the address of a module: at file:///home/ann/further/game.mjs:3:5
  {
    hint: "file:///",
    pattern: new RegExp(
      String.raw`file://(?<path>/[^\s:"'()<>|*?]{1,${PATH_MAX_CHARS}}):(?<line>\d{1,7})(?::(?<column>\d{1,7}))?`,
      "g",
    ),
  },
  // Node in parentheses, where the path may have blanks: at main (/home/ann/my game/game.js:3:5)
  {
    hint: "(/",
    pattern: new RegExp(
      String.raw`\((?<mark>(?<path>/[^:"()<>|*?]{1,${PATH_MAX_CHARS}}):(?<line>\d{1,7})(?::(?<column>\d{1,7}))?)\)`,
      "g",
    ),
  },
  // Compilers, Ruby, Go, Lua, Java, PHP's stack: game.c:3:5: error, --> game.rs:3:5, (Game.java:3),
  // game.rb:3:in
  {
    hint: ":",
    pattern: new RegExp(
      String.raw`(?<![^\s"'()<>[\]])(?<path>${PATH_PATTERN}\.(?:${PROGRAM_EXTENSIONS})):(?<line>\d{1,7})(?::(?<column>\d{1,7}))?(?![\d\w])`,
      "g",
    ),
  },
  // PHP's stack: #0 /home/ann/further/game.php(3): main()
  {
    hint: ".php(",
    pattern: new RegExp(String.raw`(?<![^\s"'])(?<path>${PATH_PATTERN}\.php)\((?<line>\d{1,7})\)`, "g"),
  },
];

/**
 * In the order in which they are in the line. Never more work than the line is long, times a
 * constant.
 */
export function references(line: string): Reference[] {
  const text = line.length > LINE_MAX_CHARS ? line.slice(0, LINE_MAX_CHARS) : line;
  if (!/\d/.test(text)) return [];
  const found: Reference[] = [];
  for (const { pattern, hint } of forms) {
    if (!text.includes(hint)) continue;
    for (const match of text.matchAll(pattern)) {
      const { path, line: number, column, mark } = match.groups!;
      if (path === undefined || number === undefined) continue;
      const start = match.index + (mark === undefined ? 0 : match[0].indexOf(mark));
      const end = start + (mark ?? match[0]).length;
      // The forms overlap; the ones in front know more.
      if (found.some((other) => start < other.end && other.start < end)) continue;
      const name = match[0].startsWith("file://") ? decoded(path) : path.trimEnd();
      const place = { start, end, path: name, line: Number(number) };
      if (place.line < 1) continue;
      found.push(column === undefined || Number(column) < 1 ? place : { ...place, column: Number(column) });
      if (found.length === REFERENCES_PER_LINE_MAX) break;
    }
    if (found.length === REFERENCES_PER_LINE_MAX) break;
  }
  return found.sort((a, b) => a.start - b.start);
}

/** The path of an address. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
