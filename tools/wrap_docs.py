#!/usr/bin/env python3
"""Holds the prose of Markdown files to lines of 120 characters.

    tools/wrap_docs.py [--fix] [FILE...]     all of the repository, if none is named

Tables, code, pictures and what has no place to break are left alone: a span of code, a link's address. --fix wraps the
paragraphs that have a longer line, and no other. Exits with 1 when it finds one and may not mend it.
"""
import pathlib
import re
import subprocess
import sys

WIDTH = 120
FENCE = re.compile(r"\s*(```|~~~)")
STARTS = re.compile(r"\s*(#|\||<|!\[|\[[^\]]+\]:|-{3,}\s*$)")  # lines that are no prose, each by itself
ITEM = re.compile(r"(\s*)([*+-]|\d+[.)])\s+")
WORD = re.compile(r"(?:`[^`]*`|\S)+")  # a span of code is never broken


def words_of(text):
    return WORD.findall(text)


def wrapped(words, first, rest):
    lines, line = [], first
    for word in words:
        begun = len(line) > len(first if not lines else rest)
        # A line must not begin with what would make it a list, a heading or a table.
        if begun and len(line) + 1 + len(word) > WIDTH and not re.match(r"([*+-]|#+|\d+[.)])$|\|", word):
            lines.append(line)
            line = rest + word
        else:
            line += (" " if begun else "") + word
    return [*lines, line]


def paragraphs(lines):
    """(first line, line behind the last) of each paragraph or item of a list."""
    begin, fenced, listed = None, False, False
    for number, line in enumerate([*lines, ""]):
        fence = bool(FENCE.match(line))
        indented = line.startswith("    ") and not listed and begin is None
        ends = fence or fenced or not line.strip() or STARTS.match(line) or ITEM.match(line) or indented
        if begin is not None and ends:
            yield begin, number
            begin = None
        fenced ^= fence
        if line.strip() and not line.startswith(" ") and not ITEM.match(line):
            listed = False
        if fence or fenced or not line.strip() or STARTS.match(line) or indented:
            continue
        if ITEM.match(line):
            begin, listed = number, True
        elif begin is None:
            begin = number


def too_long(lines):
    """[(first, behind, the paragraph as it should be)]"""
    found = []
    for begin, end in paragraphs(lines):
        part = lines[begin:end]
        if all(len(line) <= WIDTH for line in part):
            continue
        if any(line.endswith(("  ", "\\")) for line in part[:-1]):  # a break that the author wants
            continue
        item = ITEM.match(part[0])
        first = item.group(0) if item else re.match(r"\s*", part[0]).group(0)
        rest = " " * len(first) if item else first
        if item and len(part) > 1:
            rest = re.match(r"\s*", part[1]).group(0)
        words = words_of(" ".join([part[0][len(first):], *(line.strip() for line in part[1:])]))
        right = wrapped(words, first, rest)
        if right != part:
            found.append((begin, end, right))
    return found


def main(arguments):
    fix = "--fix" in arguments
    files = [name for name in arguments if name != "--fix"]
    if not files:
        listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]  # new ones, too
        files = subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split()
    wrong = 0
    for name in files:
        path = pathlib.Path(name)
        lines = path.read_text(encoding="utf-8").split("\n")
        found = too_long(lines)
        for begin, end, right in reversed(found):
            if fix:
                lines[begin:end] = right
            else:
                longest = max(range(begin, end), key=lambda number: len(lines[number]))
                print(f"{name}:{longest + 1}: {len(lines[longest])} characters, more than {WIDTH}")
        if fix and found:
            path.write_text("\n".join(lines), encoding="utf-8")
        wrong += len(found)
    if wrong and not fix:
        print("docs: these lines are too long; tools/wrap_docs.py --fix wraps their paragraphs")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
