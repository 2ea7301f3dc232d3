#!/usr/bin/env python3
"""Makes the tables of model/plain/text from what Python's html module and the package ftfy 6.3.1 do, and the prompts with
their right values that prompt_table_test reads. Nothing of it is needed to build or to run.

usage: make_prompt_tables.py     in the repository's root, with ftfy 6.3.1 installed (pip install ftfy==6.3.1)

The signs of wrongly decoded text are measured: characters that ftfy.badness treats alike next to every other become one
class, and what is bad is asked of one member for pairs, triples and quadruples of classes. It takes some minutes.
"""
import collections
import html
import itertools
import json
import random
import re

import ftfy
from ftfy import chardata
from ftfy.badness import is_bad

FOLDER = "model/plain/text"
WIDTH = 118


def hex_of(text):
    return "+".join(f"{ord(c):x}" for c in text)


def string_rows(items, indent='    '):
    """Items joined by spaces in C++ strings, as many in a row as fit."""
    rows, row = [], ""
    for item in items:
        if row and len(indent) + len(row) + len(item) + 4 > WIDTH:
            rows.append(row)
            row = ""
        row += (" " if row else "") + item
    return ",\n".join(f'{indent}"{row}"' for row in rows + [row])


def write(name, text):
    with open(f"{FOLDER}/{name}", "w", encoding="utf-8") as out:
        out.write("// Made by tools/make_prompt_tables.py.\n" + text)
    print(name, len(text))


def write_entities():
    names = sorted(html.entities.html5.items())
    capitals = sorted((k[1:], v) for k, v in chardata.HTML_ENTITIES.items() if k[1:] not in html.entities.html5)
    body = "constexpr std::string_view kHtmlEntities[] = {\n" + string_rows(f"{k}={hex_of(v)}" for k, v in names) + "};\n"
    body += "constexpr std::string_view kCapitalEntities[] = {\n" + string_rows(f"{k}={hex_of(v)}" for k, v in capitals) + "};\n"
    write("html_entity_table.inc", body)


def literal(characters):
    """A UTF-16 string literal in pieces of rows."""
    cells = [f"\\u{ord(c):04X}" if ord(c) >= 0xA0 else f"\\x{ord(c):02X}\" u\"" if not (c.isalnum() and ord(c) < 128) else c
             for c in characters]
    rows, row = [], ""
    for cell in cells:
        if len(row) + len(cell) > WIDTH - 12:
            rows.append(row)
            row = ""
        row += cell
    return "\n     ".join('u"' + row + '"' for row in rows + [row]).replace(' u""', "")


ORDINARY = "#"  # a character that nothing is bad beside
WORD = "\u4e00"  # a letter of no single-byte encoding


def alphabet():
    upper = set()
    for encoding in chardata.CHARMAP_ENCODINGS:
        upper |= set(bytes(range(0x80, 0x100)).decode(encoding))
    upper |= {chr(c) for c in range(0x80, 0xA0)} | {"\ufffd", WORD}
    return sorted(upper | {chr(c) for c in range(0x20, 0x7F)} | {"\t", "\n"})


def classes_of(characters):
    def group(signature):
        groups = collections.OrderedDict()
        for c in characters:
            groups.setdefault(signature(c), []).append(c)
        return list(groups.values())

    def pairs(c):
        return tuple(is_bad(ORDINARY + a + c) * 4 + is_bad(ORDINARY + c + a) * 2 + is_bad(c + a) for a in characters)

    def quadruples(c):
        # Of four, only the words of Arabic letters that were two bytes each are bad: U+00D8 or U+00D9 and another, twice.
        return tuple(is_bad(ORDINARY + text) for text in (f"Ø…{c}…", f"{c}…Ø…", f"Ø{c}Ø…", f"Ø…Ø{c}"))

    by_pairs = {c: (pairs(c), quadruples(c)) for c in characters}
    members = [group[0] for group in group(by_pairs.get)]
    members += [c for c in "azAZ09_ .,?!-\t#ВГРСΒΓΞØÙŒœāβв‚àÐŸŠ»˜€Ââ√≈ÄóØÙ" + WORD]
    while True:
        members = list(dict.fromkeys(c for c in members if c in by_pairs))
        beside = list(itertools.product(members, repeat=2))

        def triples(c):
            return tuple(is_bad(ORDINARY + a + c + b) * 4 + is_bad(ORDINARY + c + a + b) * 2 + is_bad(ORDINARY + a + b + c)
                         for a, b in beside)

        groups = group(lambda c: (by_pairs[c], triples(c)))
        firsts = [g[0] for g in groups]
        if set(firsts) <= set(members):
            return groups
        members += firsts


def bits(indices):
    number = sum(1 << i for i in indices)
    return f"{{0x{number & (1 << 64) - 1:x}, 0x{number >> 64:x}}}"


def write_signs():
    alone = [c for c in alphabet() if is_bad(ORDINARY + c)]
    characters = [c for c in alphabet() if c not in alone]
    groups = [alone] + classes_of(characters)
    assert len(groups) <= 128, len(groups)
    firsts = [g[0] for g in groups]
    n = range(1, len(groups))
    bad = lambda *classes: is_bad(ORDINARY + "".join(firsts[i] for i in classes))
    pairs = {(a, b) for a in n for b in n if bad(a, b)}
    at_start = {(a, b) for a in n for b in n if (a, b) not in pairs and is_bad(firsts[a] + firsts[b])}
    triples = {(a, b, c) for a in n for b in n for c in n
               if (a, b) not in pairs and (b, c) not in pairs and bad(a, b, c)}
    quadruples = {(a, b, c, d) for a in n for b in n if (a, b) not in pairs for c in n if (b, c) not in pairs
                  and (a, b, c) not in triples for d in n if (c, d) not in pairs and (b, c, d) not in triples
                  and bad(a, b, c, d)}
    print(len(groups), "classes", len(pairs), "pairs", len(triples), "triples", len(quadruples), "quadruples")
    place = {c: i for i, g in enumerate(groups) for c in g}
    body = "constexpr std::u16string_view kClassMembers[] = {\n    " + ",\n    ".join(literal(g) for g in groups) + "};\n"
    body += f"constexpr uint8_t kSpaceClass = {place[chr(9)]};\nconstexpr uint8_t kWordClass = {place[WORD]};\n"
    body += f"constexpr uint8_t kOtherClass = {place[ORDINARY]};\nconstexpr ClassBits kBadAlone = {{0x1, 0x0}};  // class 0\n"
    for name, chosen in (("kBadPairs", pairs), ("kBadPairsAtStart", at_start)):
        rows = [bits(b for a, b in chosen if a == i) for i in range(len(groups))]
        body += f"constexpr ClassBits {name}[] = {{\n" + ",\n".join(
            "    " + ", ".join(rows[i:i + 5]) for i in range(0, len(rows), 5)) + "};\n"
    by_first = collections.defaultdict(set)
    for a, b, c in triples:
        by_first[b, a].add(c)
    cells = [f"{{{b}, {a}, {bits(c)}}}" for (b, a), c in sorted(by_first.items())]
    body += "constexpr Triple kBadTriples[] = {\n" + ",\n".join(
        "    " + ", ".join(cells[i:i + 4]) for i in range(0, len(cells), 4)) + "};\n"
    by_three = collections.defaultdict(set)
    for a, b, c, d in quadruples:
        by_three[a, b, c].add(d)
    cells = [f"{{{a}, {b}, {c}, {bits(d)}}}" for (a, b, c), d in sorted(by_three.items())]
    body += "constexpr Quadruple kBadQuadruples[] = {\n" + ",\n".join(
        "    " + ", ".join(cells[i:i + 3]) for i in range(0, len(cells), 3)) + "};\n"
    write("mojibake_tables.inc", body + sequences() + encodings())


def sequences():
    """Which characters ftfy takes for which byte of a UTF-8 sequence, asked of its detector."""
    found = lambda text: chardata.UTF8_DETECTOR_RE.match(text) is not None
    letters = [c for c in alphabet() if c != WORD]
    two = [c for c in letters if found(c + "\x80")]
    three = [c for c in letters if not found(c + "\x80") and found(c + "\x80\x80")]
    four = [c for c in letters if not found(c + "\x80\x80") and found(c + "\x80\x80\x80")]
    more = [c for c in letters if found(two[0] + c)]
    # Behind a strict continuation no sequence begins; a lead that takes the probe itself is none.
    strict = [c for c in letters if not any(m.start() == 1 for m in chardata.UTF8_DETECTOR_RE.finditer(c + "é\x80\x80"))
              and not found(c + "é")]
    return "".join(f"constexpr std::u16string_view {name} =\n    {literal(chosen)};\n" for name, chosen in
                   (("kFirstOf2", two), ("kFirstOf3", three), ("kFirstOf4", four), ("kContinuation", more),
                    ("kStrictContinuation", strict)))


def encodings():
    body = "constexpr std::array<SingleByteEncoding, kEncodings> kEncodingTable = {{\n"
    for encoding in chardata.CHARMAP_ENCODINGS:
        codes = [f"0x{ord(c):x}" for c in bytes(range(0x80, 0x100)).decode(encoding)]
        rows = ",\n".join("       " + ", ".join(codes[i:i + 14]) for i in range(0, 128, 14))
        flags = ", ".join("true" if flag else "false" for flag in (encoding.startswith("sloppy"), encoding != "macroman"))
        body += f"    // {encoding}\n    {{{{\n{rows}}},\n     {flags}}},\n"
    return body + "}};\n"


PHRASES = [
    "a caf\u00e9 terrace in Paris, d\u00e9j\u00e0 vu, cr\u00e8me br\u00fbl\u00e9e", "\u00e0 la carte \u2013 na\u00efve fa\u00e7ade \u00e7a va",
    "M\u00fcnchen im Schnee, gro\u00dfe Stra\u00dfe, \u00dcberblick", "el ni\u00f1o corre por la ma\u00f1ana \u00bfd\u00f3nde? \u00a1ol\u00e9!",
    "S\u00e3o Paulo \u00e0s seis, cora\u00e7\u00e3o, avi\u00f5es \u00e0quela hora", "\u201cA dragon\u2019s dream\u201d \u2014 it\u2019s late\u2026",
    "zima w \u0141odzi: \u015bnieg, \u017c\u00f3\u0142ty li\u015b\u0107, g\u0119\u015b", "\u010desk\u00fd les, \u017elu\u0165ou\u010dk\u00fd k\u016f\u0148",
    "\u043a\u0440\u0430\u0441\u043d\u044b\u0439 \u0448\u0430\u0440 \u043d\u0430\u0434 \u0433\u043e\u0440\u043e\u0434\u043e\u043c", "\u03ad\u03bd\u03b1\u03c2 \u03ba\u03cc\u03ba\u03ba\u03b9\u03bd\u03bf\u03c2 \u03ba\u03cd\u03ba\u03bb\u03bf\u03c2 \u03c3\u03c4\u03b7 \u03b8\u03ac\u03bb\u03b1\u03c3\u03c3\u03b1",
    "k\u0131rm\u0131z\u0131 bal\u0131k, g\u00fczel \u015fehir \u0130stanbul", "s\u00fc\u00dfe K\u00e4tzchen \u2665 \u00bd Meile",
    "\u732b\u304c\u8d70\u308b\u3001\u6771\u4eac\u306e\u591c", "\ud55c\uad6d\uc758 \uac00\uc744 \ud48d\uacbd", "\u0645\u062f\u064a\u0646\u0629 \u0642\u062f\u064a\u0645\u0629 \u0639\u0646\u062f \u0627\u0644\u063a\u0631\u0648\u0628",
    "\u0939\u093f\u092e\u093e\u0932\u092f \u092a\u0930 \u0938\u0942\u0930\u094d\u092f\u094b\u0926\u092f", "\u05e2\u05d9\u05e8 \u05e2\u05ea\u05d9\u05e7\u05d4", "\U0001f600 a smiling cat \U0001f431 in the rain \U0001f327\ufe0f",
    "\u2605 stars \u2606 and 20\u00b0C, \u00a35, \u20ac10, \u00a9 2024 ACME\u2122 \u00ae", "r\u00f8d gr\u00f8d med fl\u00f8de, bl\u00e5b\u00e6r p\u00e5 \u00f8en \u00c5land",
    "rock \u2019n\u2019 roll \u2013 90\u2019s style\u2026 \u201eGlanz\u201c \u00abg\u00e9nial\u00bb", "th\u00ea\u0301 gi\u1edbi Vi\u1ec7t Nam \u0111\u1eb9p qu\u00e1", "3 \u00d7 4 \u00f7 2 \u00b1 1 \u2260 \u03c0\u00b2",
]
ORDINARY_PROMPTS = [
    "A stylish woman strolls down a bustling Tokyo street.", "a red circle moves right on a blue checkered background",
    "Caf\u00e9 VOIL\u00c0\u00bb ESPA\u00d1A\u00a9 \u00abCAF\u00c9\u00bb", "\u00c5 is a letter; \u00c2 too. \u00c3 as well", "AT&T&nbsp; R&D; fish & chips; this&not that",
    "5 < 6 &amp; 7 > 2", "<b>bold</b> &eacute;", "na\u00efve \u00c6sir \u00de\u00f3rr \u00d8", "\u00a1Hola! \u00bfQu\u00e9 tal?", "\u00c9\u00ae \u00d6\u00b0 \u00df\u00b2",
]


def hostile_prompts(random):
    entities = sorted(html.entities.html5)
    for name in random.sample(entities, 150):
        yield "x &" + name + random.choice(["", ";", "a", " b", "=1", "&amp;"]) + " y"
    for name in random.sample(entities, 60):
        yield "&" + random.choice([name.upper(), name.lower(), name.title()]) + random.choice(["", ";"])
    for value in [0, 1, 9, 10, 13, 38, 59, 60, 65, 127, 128, 129, 133, 150, 159, 160, 0x149, 0x2019, 0xD800, 0xFDD0, 0xFFFE, 0x1F600,
                  0x10FFFF, 0x110000, 99999999999]:
        yield from (f"a&#{value};b", f"a&#x{value:x};b", f"a&#X{value:X} b", f"&amp;#{value};", f"&#{value}")
    for c in [0x132, 0x133, 0x149, 0x1C4, 0x1C5, 0x1C6, 0x1F1, 0xFB00, 0xFB05, 0xFB06, 0xFF21, 0xFF71, 0xFFE6, 0x3000, 0x2BC, 0x201B,
              0x201F, 0x85, 0x92, 0x2028, 0x2029, 0xFEFF, 0x206A, 0xFFF9, 0xFFFC, 0x200B, 0xAD, 0x1A, 0x7F]:
        yield from (f"one {chr(c)} two", f"{chr(c)}{chr(c)}x", f"caf\u00c3\u00a9 {chr(c)}")
    yield from ("\x1b[1;31mred\x1b[0m", "a\r\nb\rc\nd", "<i>\n&amp;amp;\n&lt;", "&amp;amp;amp;amp; <", "&#59;&#38;amp;", "cafe\u0301 \u1100\u1161",
                "\u00c3\u00a9<b>\n\u00c3\u00a9", "&Atilde;&copy;", "&#195;&#169;", "&amp;Atilde;&amp;copy;")
    yield from (f"a{space}\u00c3 b" for space in "\t\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\u3000")
    thrice = once(once("\u2026 caf\u00e9", "latin-1"), "sloppy-windows-1251")
    yield from (thrice, thrice[:6], thrice[:6] + "\u00e9", "x" + thrice[:6] + "x")


def misread(phrase, random):
    for encoding in chardata.CHARMAP_ENCODINGS:
        broken = once(phrase, encoding)
        if broken is None:
            continue
        yield broken
        yield f"{broken}, {PHRASES[0]}"
        yield f"A view of {broken} \u2019tis"
        yield broken.replace("\xa0", " ")
        yield broken.replace("\xa0", " ").upper()
        yield html.escape(broken)
        yield broken[:-1]
        yield broken[1:] + " \u4e2d"
        words = broken.split(" ")
        words[random.randrange(len(words))] = "plain"
        yield " ".join(words)
        if encoding.startswith("sloppy"):
            yield "".join("\ufffd" if 0x80 <= ord(c) < 0xA0 else c for c in broken)
        for second in ("latin-1", "sloppy-windows-1252", encoding):
            again = once(broken, second)
            if again is not None:
                yield again


def once(text, encoding):
    """Text that was written in UTF-8 and read in the encoding."""
    try:
        return text.encode("utf-8").decode(encoding)
    except UnicodeDecodeError:
        return None


def cleaned(prompt):
    text = html.unescape(html.unescape(ftfy.fix_text(prompt))).strip()
    return re.sub(r"\s+", " ", text).strip()


def write_prompts(path="tests/model/plain/text/testdata/prompts.jsonl", all_of_them=False):
    chosen = random.Random(21)
    hostile = list(dict.fromkeys(hostile_prompts(chosen)))
    broken = list(dict.fromkeys(text for phrase in PHRASES for text in misread(phrase, chosen)))
    prompts = PHRASES + ORDINARY_PROMPTS + hostile + (broken if all_of_them else chosen.sample(broken, 600))
    with open(path, "w", encoding="utf-8") as out:
        for prompt in dict.fromkeys(prompts):
            if "\ud800" <= max(prompt) <= "\udfff":
                continue
            out.write(json.dumps([prompt, cleaned(prompt)]) + "\n")
    print(len(prompts), "prompts")


if __name__ == "__main__":
    write_entities()
    write_prompts()
    write_signs()
