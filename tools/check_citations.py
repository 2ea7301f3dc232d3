#!/usr/bin/env python3
"""Checks that what comments and pages cite is there: pages, their sections, and the targets of links.

    tools/check_citations.py [ROOT]

A page is cited by its name (`wan_vae.md section 9`, `docs/errors.md`): it stands in docs/, in docs/reference/ or beside
the file. A section without a page (`section 5`) is one of the only page that the file cites; in a page whose headings are
numbered, its own. Prints one line per wrong citation and exits 1 when there is any.
"""
import os
import pathlib
import re
import sys

SUFFIXES = {".h", ".cc", ".cu", ".cuh", ".proto", ".py", ".sh", ".txt", ".cmake", ".md"}
SKIPPED = re.compile(r"\.|build")  # folders: hidden ones and what was built
WRITTEN = {"table.md"}  # pages that programs write

GAP = r"[\s/#*]+"  # between the words of a citation: blanks, line ends, the marks of a comment
NUMBER = r"(?:\d+(?:\.\d+)*|[A-Z]\b)"
LIST = rf"{NUMBER}(?:(?:,|{GAP}and|{GAP}to|,{GAP}and|{GAP}or){GAP}{NUMBER})*"
PAGE = r"(?<![\w./-])(?P<page>(?:[\w.-]+/)*[\w-]+\.md)\b"
SECTIONS = rf"(?:[Ss]ections?{GAP}|[Aa]ppendix{GAP}|§+\s?)(?P<numbers>{LIST})"
CITATION = re.compile(rf"{PAGE}(?:\]\([^)\s]*\)|\))?(?:`?,?{GAP}{SECTIONS})?")  # plain, as code or as a link
BARE = re.compile(rf"(?<!\w){SECTIONS}")
OUTSIDE = re.compile(r"(RFC \d+|paper)\W*$", re.IGNORECASE)  # before a section of a work that is not here
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?:Appendix )?(?P<number>\d+(?:\.\d+)*|[A-Z](?=\.))(?:\.?\s)", re.MULTILINE)


def files_of(root):
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not SKIPPED.match(name))
        for name in sorted(names):
            if pathlib.Path(name).suffix in SUFFIXES:
                yield pathlib.Path(folder, name)


def sections_of(text):
    return {match["number"] for match in HEADING.finditer(text)}


def numbers_of(text):
    """The sections of a list like "3, 5 and 7 to 9": 3, 5, 7, 8, 9."""
    numbers = []
    upto = False
    for word in re.findall(rf"{NUMBER}|to", text):
        if word == "to":
            upto = True
        elif upto and word.isdigit() and numbers[-1].isdigit():
            numbers += [str(number) for number in range(int(numbers[-1]) + 1, int(word) + 1)]
            upto = False
        else:
            numbers.append(word)
            upto = False
    return numbers


class Tree:
    def __init__(self, root):
        self.root = root
        self.texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in files_of(root)}
        self.pages = {path: sections_of(text) for path, text in self.texts.items() if path.suffix == ".md"}

    def find(self, name, citing):
        """The page that a file means by a name, or None."""
        for folder in (citing.parent, self.root, self.root / "docs", self.root / "docs" / "reference"):
            if folder / name in self.pages:
                return folder / name
        # A table of folders names the page within its folder: tiny/README.md.
        inside = [page for page in self.pages if "/" in name and page.as_posix().endswith("/" + name)]
        return inside[0] if inside else None

    def wrong_citations(self, path):
        text = self.texts[path]
        cited = set()
        explicit = []
        for match in CITATION.finditer(text):
            page = self.find(match["page"], path)
            if page is None:
                is_link = text[:match.start()].endswith("](")  # wrong_links() speaks of it
                if not is_link and match["page"].split("/")[-1] not in WRITTEN:
                    yield match.start(), f"{match['page']} is neither in docs/ nor beside this file"
                continue
            if match["numbers"]:
                explicit.append(match.span())
                yield from self.missing(match, page)
            if self.pages[page]:
                cited.add(page)
        own = path if self.pages.get(path) else None
        for match in BARE.finditer(text):
            if any(begin <= match.start() < end for begin, end in explicit) or OUTSIDE.search(text[:match.start()][-40:]):
                continue
            if own is None and len(cited) > 1:
                yield match.start(), f"{' '.join(match[0].split())}: of which page? This file cites {len(cited)}"
            elif own or cited:
                yield from self.missing(match, own or min(cited))

    def missing(self, match, page):
        for number in numbers_of(match["numbers"]):
            if number not in self.pages[page]:
                yield match.start(), f"{page.relative_to(self.root).as_posix()} has no section {number}"

    def wrong_links(self, path):
        for match in LINK.finditer(self.texts[path]):
            target = match["target"].split("#")[0]
            if target and not re.match(r"[a-z]+:", target) and not (path.parent / target).exists():
                yield match.start(), f"link to {target}, which is not there"

    def wrong(self):
        for path, text in self.texts.items():
            found = list(self.wrong_citations(path)) + (list(self.wrong_links(path)) if path.suffix == ".md" else [])
            for offset, what in sorted(found):
                yield f"{path.relative_to(self.root).as_posix()}:{text.count(chr(10), 0, offset) + 1}: {what}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    wrong = list(Tree(root).wrong())
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
