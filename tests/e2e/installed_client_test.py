"""Installs the client library into a folder of its own, builds examples/cpp against it alone, and runs that."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE / "tests/gateway"))
import programs  # noqa: E402


def run(*command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


class InstalledClientTest(unittest.TestCase):
    def test_a_program_that_knows_the_installed_library_alone_saves_a_video(self):
        with tempfile.TemporaryDirectory(prefix="videodiffcr-install-") as folder:
            folder = pathlib.Path(folder)
            run("cmake", "--install", programs.BIN.parent, "--component", "client_library", "--prefix", folder / "prefix")
            run("cmake", "-S", SOURCE / "examples/cpp", "-B", folder / "build", "-G", "Ninja",
                f"-DCMAKE_PREFIX_PATH={folder / 'prefix'}")
            run("cmake", "--build", folder / "build")
            server = programs.start_server()
            try:
                video = folder / "video.mp4"
                run(folder / "build/save_video", f"127.0.0.1:{server.port}", "a red circle moves right", video)
                self.assertEqual(len(programs.probe(video)["frames"]), 45)
            finally:
                server.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2)
