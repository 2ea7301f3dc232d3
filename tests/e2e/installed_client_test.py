"""Installs the client library into a folder of its own, builds examples/cpp against that alone, and runs it."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE / "tests/gateway"))
import programs  # noqa: E402

BUILD = programs.BIN.parent


def run(*command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


class InstalledClientTest(unittest.TestCase):
    def test_a_program_that_knows_the_installed_library_alone_makes_a_video(self):
        with tempfile.TemporaryDirectory(prefix="videodiffcr-installed-") as folder:
            folder = pathlib.Path(folder)
            # What was built may be in use by others: nothing is built anew here.
            run("cmake", "--install", BUILD, "--component", "client_library", "--prefix", folder / "prefix")
            # Elsewhere than beside the sources, so that none of their headers is found by chance.
            run("cp", "-r", SOURCE / "examples/cpp", folder / "cpp")
            run("cmake", "-G", "Ninja", "-S", folder / "cpp", "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={folder / 'prefix'}")
            run("cmake", "--build", folder / "build")
            installed = "\n".join(path.read_text() for path in folder.glob("prefix/**/*.cmake"))
            self.assertNotIn(str(SOURCE), installed)
            server = programs.start_server()
            self.addCleanup(server.stop)
            video = folder / "video.mp4"
            output = run(folder / "build/save_video", f"127.0.0.1:{server.port}", "a red circle moves right",
                         "a green star moves left", video)
            self.assertIn("the new prompt shows from chunk ", output)
            self.assertEqual(len(programs.probe(video)["frames"]), 9 + 7 * 12)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
