"""The examples of examples/ that are scripts, as their readers start them. Run by package_test.py."""
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

SOURCE = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE / "tests/gateway"))
import programs  # noqa: E402

import videodiffcr.requests  # noqa: E402

EXAMPLES = SOURCE / "examples"


def run(*command, **environment):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


class ExamplesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = programs.start_server()
        cls.gateway = programs.Gateway([cls.server])
        cls.address = f"127.0.0.1:{cls.server.port}"

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.server.stop()

    def test_whoever_opens_a_channel_notices_a_frozen_server_within_a_minute_also_while_paused(self):
        spec = importlib.util.spec_from_file_location("generate", EXAMPLES / "python" / "generate.py")
        example = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(example)
        with unittest.mock.patch("grpc.insecure_channel", side_effect=InterruptedError) as opened, \
                unittest.mock.patch("sys.argv", ["generate.py", "a red circle"]), self.assertRaises(InterruptedError):
            example.main()
        for options in (dict(opened.call_args.kwargs["options"]), dict(videodiffcr.requests.OPTIONS)):
            interval = options["grpc.keepalive_time_ms"]
            self.assertGreaterEqual(interval, 5000, "a server hangs up on who pings more often")
            self.assertLessEqual(interval + options["grpc.keepalive_timeout_ms"], 60000)
            self.assertEqual(options["grpc.http2.max_pings_without_data"], 0)

    def test_watch_changes_the_video_on_the_way_and_saves_it(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "video.mp4")
            output = run(sys.executable, EXAMPLES / "python/watch.py", "a red circle moves right",
                         "a green star moves left", "--server", self.address, "--output", path)
            self.assertEqual(len(programs.probe(path)["frames"]), 9 + 11 * 12)
        self.assertEqual(output.count("Applied("), 2)
        self.assertIn("budget 0.80", output)

    def test_watch_leaves_an_older_file_alone_when_it_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "video.mp4")
            path.write_bytes(b"older")
            done = subprocess.run([sys.executable, EXAMPLES / "python/watch.py", "\u3000", "a star", "--server", self.address,
                                   "--output", path], stderr=subprocess.PIPE, text=True)
            self.assertIn("PROMPT_EMPTY", done.stderr)
            self.assertEqual(path.read_bytes(), b"older")

    def test_watch_leaves_whole_fragments_where_the_disk_is_full(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "video.mp4")
            # No file may become longer than 40 KiB: a full disk, without one.
            done = subprocess.run(["bash", "-c", 'trap "" XFSZ; ulimit -f 40; exec "$@"', "bash", sys.executable,
                                   EXAMPLES / "python/watch.py", "a red circle moves right", "a star", "--server",
                                   self.address, "--output", path], stderr=subprocess.PIPE, text=True)
            self.assertIn("File too large", done.stderr)
            self.assertGreater(len(programs.probe(path)["frames"]), 0)

    @unittest.skipIf(importlib.util.find_spec("grpc_reflection") is None, "grpcio-reflection is not installed here")
    def test_reflect_needs_no_proto_file(self):
        output = run(sys.executable, EXAMPLES / "python/reflect.py", self.address)
        self.assertIn("StreamVideo(StreamVideoRequest)", output)
        self.assertIn("started\n", output)
        self.assertIn("finished\n", output)

    def test_play_hands_the_growing_file_to_a_player(self):
        # ffplay's reader without its window.
        output = run(EXAMPLES / "shell/play.sh", "a red circle moves right", self.gateway.url, no_proxy="127.0.0.1",
                     PLAYER="ffprobe -v warning -count_frames -show_entries stream=nb_read_frames -of csv -i")
        self.assertIn(f"stream,{9 + 7 * 12}", output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
