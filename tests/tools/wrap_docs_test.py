"""Tests of tools/wrap_docs.py on made-up pages."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"], "tools/wrap_docs.py")
LONG = "word " * 30


class WrapDocsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.page = pathlib.Path(folder.name, "page" + ".md")  # put together here: check_citations.py reads this file too

    def run_on(self, text, *arguments):
        self.page.write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, SCRIPT, *arguments, self.page], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    def fixed(self, text):
        self.assertEqual(self.run_on(text, "--fix"), (0, ""))
        wrapped = self.page.read_text(encoding="utf-8")
        self.assertEqual(self.run_on(wrapped), (0, ""), wrapped)
        self.assertEqual(wrapped.split(), text.split())
        return wrapped

    def test_a_longer_line_of_prose_is_named_and_wrapped(self):
        status, output = self.run_on(f"# Page\n\nshort\n{LONG.strip()}\n")
        self.assertEqual(status, 1)
        self.assertIn(f"{self.page}:4: 149 characters, more than 120", output)
        lines = self.fixed(f"# Page\n\nshort\n{LONG.strip()}\n\nnext\n").split("\n")
        self.assertEqual(lines[2], "short" + " word" * 23)
        self.assertEqual(lines[-3:], ["", "next", ""])

    def test_characters_count_not_bytes(self):
        self.assertEqual(self.run_on("é" * 60 + " " + "é" * 59 + "\n"), (0, ""))

    def test_items_keep_their_indent_and_their_neighbours(self):
        text = self.fixed(f"* one\n* {LONG}\n  and more\n* three\n")
        self.assertEqual(text.split("\n")[0], "* one")
        self.assertEqual(text.split("\n")[2], "  " + "word " * 7 + "and more")
        self.assertIn("\n* three\n", text)

    def test_no_line_begins_with_what_would_make_it_an_item(self):
        lines = self.fixed("word " * 23 + "fast - " + "word " * 20 + "\n").split("\n")
        self.assertFalse([line for line in lines if line.startswith("-")])

    def test_code_tables_and_what_cannot_be_broken_are_left_alone(self):
        for text in (f"    {LONG}\n", f"```\n{LONG}\n```\n", f"| a | {LONG}|\n", f"`{LONG}`\n", f"1. `{LONG}`\n",
                     f"![{LONG}](picture.png)\n"):
            with self.subTest(text):
                self.assertEqual(self.run_on(text), (0, ""))


if __name__ == "__main__":
    unittest.main()
