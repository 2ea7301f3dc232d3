#!/usr/bin/env python3
"""tools/vbench_layout.py: names as VBench wants them, and what is missing is said."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"]) / "tools" / "vbench_layout.py"


class VbenchLayoutTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)

    def run_script(self, prompts, index=0):
        (self.root / "prompts.txt").write_text(prompts, encoding="utf-8")
        return subprocess.run(
            [sys.executable, SCRIPT, "--prompts", self.root / "prompts.txt", "--videos", self.root / "seed.mp4",
             "--output", self.root / "out", "--index", str(index)], capture_output=True, text=True)

    def video(self, name, content):
        (self.root / name).write_text(content)

    def names(self):
        return sorted(path.name for path in (self.root / "out").glob("*.mp4"))

    def test_a_video_is_named_after_its_prompt_and_index(self):
        for number in range(1, 11):
            self.video(f"seed-{number:02d}.mp4", str(number))
        prompts = "# remark\n\n" + "".join(f"prompt {number}\n" for number in range(1, 11))
        for index in (0, 3):
            done = self.run_script(prompts, index)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.names()), 20)
        self.assertEqual((self.root / "out" / "prompt 10-3.mp4").read_text(), "10")
        shown = json.loads((self.root / "out" / "prompts.json").read_text())
        self.assertEqual(shown["prompt 7-0.mp4"], "prompt 7")
        self.assertEqual(len(shown), 20)

    def test_a_single_prompt_has_no_number_and_a_doubled_one_takes_two_indices(self):
        self.video("seed.mp4", "one")
        self.assertEqual(self.run_script("a cat\n").returncode, 0)
        self.assertEqual(self.names(), ["a cat-0.mp4"])
        self.video("seed-1.mp4", "first")
        self.video("seed-2.mp4", "second")
        self.assertEqual(self.run_script("a dog\na dog\n").returncode, 0)
        self.assertEqual((self.root / "out" / "a dog-1.mp4").read_text(), "second")

    def test_what_is_missing_or_cannot_be_a_name_is_said_and_the_rest_is_laid_out(self):
        self.video("seed-1.mp4", "first")
        self.video("seed-3.mp4", "third")
        self.video("seed-4.mp4", "fourth")
        done = self.run_script("a cat\na dog\neither/or\n" + "x" * 300 + "\n")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.names(), ["a cat-0.mp4"])
        self.assertIn("seed-2.mp4: is missing (prompt 2 'a dog')", done.stderr)
        self.assertIn("prompt 3 'either/or': has a slash", done.stderr)
        self.assertIn("is too long for the name of a file (306 bytes of at most 255)", done.stderr)
        self.assertIn("1 of 4 videos", done.stdout)

    def test_a_file_without_prompts_is_an_error(self):
        done = self.run_script("# nothing\n")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("holds no prompt", done.stderr)


if __name__ == "__main__":
    unittest.main()
