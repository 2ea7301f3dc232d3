"""Tests of tools/setup.sh, on a cache folder of small made-up files; nothing is fetched."""
import os
import pathlib
import subprocess
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"])


class Cache:
    """A cache folder that set-up takes for complete, but for LibTorch's CUDA libraries."""

    def __init__(self, folder):
        self.torch = folder / "videodiffcr/libtorch-2.11.0"
        self.library = self.torch / "torch/lib"
        self.library.mkdir(parents=True)
        (self.library / "libtorch_cpu.so").write_text("in use")
        downloads = folder / "videodiffcr/downloads"
        downloads.mkdir()
        with zipfile.ZipFile(downloads / "torch-2.11.0-made-up.whl", "w") as wheel:
            wheel.writestr("torch/lib/libtorch_cpu.so", "from the wheel")
            wheel.writestr("torch/lib/libtorch_cuda.so", "from the wheel")
        for part in ("libtorch-2.11.0", "googleapis-1.76.0", "sentencepiece-0.2.1", "flashinfer-0.7.2.post1"):
            (folder / "videodiffcr" / part).mkdir(exist_ok=True)
            (folder / "videodiffcr" / part / ".complete").touch()
        self.environment = dict(os.environ, XDG_CACHE_HOME=str(folder), VIDEODIFFCR_PACKAGES="installed")

    def setup(self, *arguments):
        return subprocess.run([ROOT / "tools/setup.sh", *arguments], env=self.environment, capture_output=True, text=True,
                              check=False)


class SetupTest(unittest.TestCase):
    def test_cuda_libraries_appear_beside_what_is_in_use_which_stays_the_same_file(self):
        with tempfile.TemporaryDirectory() as folder:
            cache = Cache(pathlib.Path(folder))
            before = (cache.library / "libtorch_cpu.so").stat()
            done = cache.setup("--cuda")
            self.assertEqual(done.returncode, 0, done.stderr)
            after = (cache.library / "libtorch_cpu.so").stat()
            self.assertEqual((before.st_ino, before.st_mtime_ns), (after.st_ino, after.st_mtime_ns))
            self.assertEqual((cache.library / "libtorch_cpu.so").read_text(), "in use")
            self.assertEqual((cache.library / "libtorch_cuda.so").read_text(), "from the wheel")
            self.assertEqual(cache.setup("--cuda").stdout, "")  # a second run has nothing to do

    def test_an_unknown_argument_is_named(self):
        done = subprocess.run([ROOT / "tools/setup.sh", "--cude"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--cude", done.stderr)


if __name__ == "__main__":
    unittest.main()
