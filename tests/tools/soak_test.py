"""Tests of tools/soak.py: what it makes of the samples of a run."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

SOURCE = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE / "tools"))
sys.dont_write_bytecode = True

import soak  # noqa: E402


class JudgeTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.output = pathlib.Path(self.folder.name)

    def write(self, resident=lambda minute: 300, threads=lambda minute: 20, descriptors=lambda minute: 11, kv_at_rest=0, **figures):
        """A run of a hundred minutes; `resident` in MiB."""
        sample, figure = (soak.csv_writer(self.output / name, columns) for name, columns in
                          (("samples.csv", soak.SAMPLE_COLUMNS), ("slices.csv", ("seconds", *soak.FIGURES))))
        for minute in range(101):
            row = {"seconds": 60 * minute, "resident_kib": 1024 * resident(minute), "threads": threads(minute) + 2,
                   "descriptors": descriptors(minute) + 3, "sessions": 2, "kv_bytes": 10**7, "quiet": 0}
            sample(row)
            sample({**row, "threads": threads(minute), "descriptors": descriptors(minute), "sessions": 0, "kv_bytes": kv_at_rest, "quiet": 1})
            figure({"seconds": 60 * minute, **{name: figures.get(name, 0) if minute == 50 else 0 for name in soak.FIGURES}})

    def wrong(self, **run):
        self.write(**run)
        return " ".join(soak.judge(self.output))

    def test_a_run_in_which_nothing_grows_and_nothing_is_lost_is_good(self):
        self.assertEqual(self.wrong(resumes=3, killed=2, verified=9, misses=1), "")

    def test_memory_may_rise_in_the_first_tenth_and_by_8_mib_behind_it(self):
        self.assertEqual(self.wrong(resident=lambda minute: 200 if minute < 3 else 300 + 8 * (minute > 50)), "")
        self.assertIn("resident memory grew by 9.0 MiB", self.wrong(resident=lambda minute: 300 + 9 * (minute > 50)))

    def test_one_more_thread_or_descriptor_at_rest_is_growth(self):
        self.assertEqual(self.wrong(threads=lambda minute: 19 + (minute > 5)), "")
        self.assertIn("threads grew from 20 to 21", self.wrong(threads=lambda minute: 20 + (minute > 50)))
        self.assertIn("descriptors grew from 11 to 12", self.wrong(descriptors=lambda minute: 11 + (minute > 50)))

    def test_kv_cache_without_a_session_is_wrong(self):
        self.assertIn("KV cache", self.wrong(kv_at_rest=4096))

    def test_whatever_is_lost_damaged_changed_failed_or_refused_is_wrong(self):
        for name in ("lost", "damaged", "changed", "failed", "refused", "floor_crossed"):
            self.assertIn(f"{name}: 1", self.wrong(**{name: 1}))

    def test_a_run_without_a_whole_slice_is_not_good(self):
        for name, columns in (("samples.csv", soak.SAMPLE_COLUMNS), ("slices.csv", ("seconds", *soak.FIGURES))):
            soak.csv_writer(self.output / name, columns)
        self.assertTrue(soak.judge(self.output))

    def test_the_picture_is_xml_and_holds_a_line_for_every_series(self):
        self.write()
        soak.draw(self.output)
        picture = xml.etree.ElementTree.parse(self.output / "soak.svg").getroot()
        self.assertEqual(len(picture.findall("{http://www.w3.org/2000/svg}polyline")), 11)
        self.assertLess((self.output / "soak.svg").stat().st_size, 200_000)

    def test_drawing_again_tells_by_its_status_what_the_run_was(self):
        command = [sys.executable, "-B", SOURCE / "tools" / "soak.py", "--draw", self.output]
        self.write()
        self.assertEqual(subprocess.run(command, stdout=subprocess.DEVNULL, timeout=60).returncode, 0)
        self.write(lost=1)
        self.assertEqual(subprocess.run(command, capture_output=True, timeout=60).returncode, 1)


if __name__ == "__main__":
    unittest.main()
