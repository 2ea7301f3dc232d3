"""`videodiffcr view`, as the README starts it."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request

import programs


class ViewTest(unittest.TestCase):
    def test_one_command_serves_the_page_with_the_tiny_model_and_ctrl_c_ends_all_of_it(self):
        with tempfile.TemporaryDirectory() as folder:
            ports = pathlib.Path(folder, "ports")
            ports.write_text("http_port=1\n")  # an earlier run's
            view = subprocess.Popen([programs.BIN / "videodiffcr", "view", "--no-open", f"--port-file={ports}"],
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                line = view.stdout.readline().decode()
                while not line.startswith("The page is at") and line:
                    line = view.stdout.readline().decode()
                url = line.split()[4]
                self.assertNotEqual(url, "http://localhost:1/")
                self.assertIn(f"http_port={url.rstrip('/').rpartition(':')[2]}\n", ports.read_text())
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                self.assertIn(b"VideoDiffCR", opener.open(url, timeout=60).read())
                self.assertIn(b'"tiny"', opener.open(url + "info", timeout=60).read())
                children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(view.pid)], capture_output=True,
                                          text=True).stdout.split()
                self.assertEqual(len(children), 2)
            finally:
                view.send_signal(signal.SIGINT)
            self.assertEqual(view.wait(60), 0, view.stdout.read())
            view.stdout.close()
            for pid in children:
                self.assertFalse(pathlib.Path("/proc", pid).exists())

    def test_its_children_end_with_it_however_it_ends(self):
        view = subprocess.Popen([programs.BIN / "videodiffcr", "view", "--no-open"], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
        while not view.stdout.readline().startswith(b"The page is at"):
            self.assertIsNone(view.poll())
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(view.pid)], capture_output=True,
                                  text=True).stdout.split()
        os.kill(view.pid, signal.SIGKILL)
        view.wait()
        view.stdout.close()
        end = time.monotonic() + 60
        # Others' children by now: looking again and again is all there is.
        while any(pathlib.Path("/proc", pid).exists() for pid in children):
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def test_a_server_that_is_not_there_is_told_by_the_page_and_a_wrong_flag_at_once(self):
        for flag in ("--listen", "--server"):
            done = subprocess.run([programs.BIN / "videodiffcr", "view", "--no-open", flag, "nonsense"],
                                  capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"{flag} is 'nonsense'", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
