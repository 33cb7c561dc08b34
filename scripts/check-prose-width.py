#!/usr/bin/env python3
"""Checks that prose is wrapped at 100 columns: comments, docstrings and Markdown.

Formatters do the same for code (rustfmt, biome, ruff), but none of them wraps comments. A diff of
wrapped prose shows the words that changed, and not a whole paragraph.

    scripts/check-prose-width.py            all files that git knows or could add
    scripts/check-prose-width.py FILE…      these alone
    scripts/check-prose-width.py --count    lines per file only; never fails
    scripts/check-prose-width.py --fix FILE…    wraps what is too wide; read the diff afterwards

Not prose: tables, code blocks in Markdown, and a line that has no space at which to break it.
"""

import io
import re
import subprocess
import sys
import textwrap
import tokenize
from pathlib import Path

WIDTH_COLUMNS = 100

# What programs write, and programs that are samples: tests name their lines.
EXEMPT = re.compile(
    r"(^|/)(package-lock\.json|Cargo\.lock|.*\.generated\.\w+)$"
    r"|^bench/RESULTS\.md$"
    r"|^tests/(golden|corpus)/(?!README)"
    r"|^tests/programs/"
)

LINE_COMMENTS = {
    ".rs": "//",
    ".ts": "//",
    ".tsx": "//",
    ".js": "//",
    ".mjs": "//",
    ".sh": "#",
    ".toml": "#",
    ".yaml": "#",
    ".yml": "#",
    ".service": "#",
    "Makefile": "#",
    "run": "#",
}
BLOCK_COMMENTS = {".rs", ".ts", ".tsx", ".js", ".mjs", ".css"}
# The marker of a comment or list item, before which there is nothing to break.
MARKER = re.compile(r"\s*(//[/!]?|/?\*+(?=\s)|<!--|#+(?=\s))?\s*([-*+]\s|\d+\.\s)?\s*")
# Not broken either: code, and a number and its unit.
TOGETHER = re.compile(r"`[^`]{1,60}`|\d (?:s|ms|B|kB|MB|GB|KiB|MiB|GiB)\b")
# What would be a list item or a heading at the beginning of a line.
NOT_FIRST = re.compile(r"(?<=\S) (?=(?:[-+*>]|#+|\d+[.)])(?:\s|$))")
# A tool reads these, and one line only.
DIRECTIVE = re.compile(r"biome-ignore|@ts-|# noqa|# type:|# shellcheck |# pragma")


def breakable(line: str) -> bool:
    """Returns whether the line is too long and has a space at which it could be broken."""
    if len(line) <= WIDTH_COLUMNS or DIRECTIVE.search(line):
        return False
    start = MARKER.match(line).end()
    text = line[start:]
    if text.startswith("|"):
        return False  # a row of a table
    return " " in line[start : WIDTH_COLUMNS + 1].strip()


def comment_lines(text: str, marker: "str | None", blocks: bool):
    """Yields number and text of the lines that hold nothing but a comment."""
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if inside:
            yield number, line
            inside = "*/" not in line
        elif marker and stripped.startswith(marker):
            yield number, line
        elif blocks and stripped.startswith("/*"):
            yield number, line
            inside = "*/" not in line


def python_lines(text: str):
    """Yields number and text of comments and docstrings."""
    lines = text.split("\n")
    previous = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and token.line.lstrip().startswith("#"):
            yield token.start[0], lines[token.start[0] - 1]
        elif token.type == tokenize.STRING and previous in (
            tokenize.NEWLINE,
            tokenize.INDENT,
            tokenize.DEDENT,
        ):
            for number in range(token.start[0], token.end[0] + 1):
                yield number, lines[number - 1]
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            previous = token.type


def markdown_lines(text: str):
    """Yields number and text of what is not a code block or the head matter of a file."""
    fenced = False
    previous_blank = True
    code = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        if fenced:
            continue
        if not line.strip():
            previous_blank = True
            continue
        # An indented block begins behind an empty line, and ends with the first line at the margin.
        code = line.startswith("    ") and (code or previous_blank)
        previous_blank = False
        # A line with nothing but pictures and links, such as badges, has nowhere to break well.
        if not code and not re.fullmatch(r"(\[?!?\[[^\]]*\]\([^)]*\)\]?(\([^)]*\))?\s*)+", line):
            yield number, line


def prose(path: Path):
    """Yields number and text of every line of prose in the file."""
    text = path.read_text(encoding="utf-8")
    kind = path.suffix or path.name
    if kind == ".md":
        yield from markdown_lines(text)
    elif kind == ".py":
        yield from python_lines(text)
    elif kind in LINE_COMMENTS or kind in BLOCK_COMMENTS:
        yield from comment_lines(text, LINE_COMMENTS.get(kind), kind in BLOCK_COMMENTS)


def wrapped(lines: "list[str]", in_prose: "set[int]") -> "list[str]":
    """Returns the lines of a file with the wide ones wrapped; the numbers count from 1.

    From a wide line on, its paragraph is filled anew: it ends with the comment, where the marker
    changes, and at a line without text, a list item, a table or a fence.
    """
    result = []
    index = 0
    while index < len(lines):
        if index + 1 not in in_prose or not breakable(lines[index]):
            result.append(lines[index])
            index += 1
            continue
        start = MARKER.match(lines[index]).end()
        first = lines[index][:start]
        # Behind a list item or an opening mark, further lines are indented as far as its text.
        comment = re.match(r"\s*(//[/!]?|#+)?", first).group()
        following = comment + " " * (start - len(comment))
        if first.lstrip().startswith("/*"):
            following = first[: len(first) - len(first.lstrip())] + " * "
        elif first.lstrip().startswith("* ") and index > 0 and "*" in lines[index - 1]:
            following = first
        words = [lines[index][start:]]
        index += 1
        while index + 1 in in_prose:
            line = lines[index]
            end = MARKER.match(line).end()
            text = line[end:]
            same = line[:end].rstrip() == following.rstrip() and len(line[:end]) == len(following)
            if not same or not text or text.startswith(("|", "```")) or DIRECTIVE.search(line):
                break
            words.append(text)
            index += 1
        paragraph = TOGETHER.sub(lambda part: part[0].replace(" ", "\0"), " ".join(words))
        paragraph = NOT_FIRST.sub("\0", paragraph)
        closing = []
        if first.lstrip() == "/** ":
            # JSDoc of several lines has its marks on lines of their own.
            result.append(first.rstrip())
            first = following
            if paragraph.endswith("*/"):
                paragraph = paragraph[:-2].rstrip()
                closing = [following.rstrip() + "/"]
        filled = textwrap.wrap(
            paragraph,
            WIDTH_COLUMNS,
            initial_indent=first,
            subsequent_indent=following,
            break_long_words=False,
            break_on_hyphens=False,
        )
        result += [line.replace("\0", " ") for line in filled] + closing
    return result


def all_files() -> "list[str]":
    """Returns the names of the files that git knows or that could be added."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return [name for name in listed.stdout.split("\0") if name]


def main(arguments: "list[str]") -> int:
    """Runs the check, and returns the exit status."""
    options = {argument for argument in arguments if argument.startswith("--")}
    names = [argument for argument in arguments if argument not in options] or all_files()
    total = 0
    for name in sorted(names):
        path = Path(name)
        if EXEMPT.search(name) or path.is_symlink() or not path.is_file():
            continue
        wide = [(number, line) for number, line in prose(path) if breakable(line)]
        if wide and "--fix" in options:
            lines = path.read_text(encoding="utf-8").split("\n")
            path.write_text("\n".join(wrapped(lines, {number for number, _ in prose(path)})))
            wide = [(number, line) for number, line in prose(path) if breakable(line)]
        total += len(wide)
        if "--count" in options and wide:
            print(f"{len(wide):6} {name}")
        elif "--count" not in options:
            for number, line in wide:
                print(f"{name}:{number}: {len(line)} columns", file=sys.stderr)
    print(f"prose width: {total} lines over {WIDTH_COLUMNS} columns")
    return 1 if total and "--count" not in options else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
