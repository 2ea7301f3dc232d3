"""What others make of the gateway: ffprobe, ffplay's reader, curl and Python's own HTTP, before the real programs."""
import json
import pathlib
import subprocess
import tempfile
import threading
import unittest

import programs


class PlayersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = programs.start_server()
        cls.gateway = programs.Gateway([cls.server], "--kept-chunks=16")

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.server.stop()

    def live(self, **more):
        session = self.gateway.live(seed=7, **more)
        self.addCleanup(self.gateway.json, f"/live/{session['id']}/finish", method="POST")
        return session

    def test_curl_starts_a_session_and_ffprobe_reads_the_growing_file_to_its_end(self):
        done = subprocess.run(["curl", "-sS", "--noproxy", "*", self.gateway.url + "/live", "-d",
                               json.dumps({"prompt": "a red circle moves right", "length_chunks": 4})],
                              capture_output=True, timeout=60, check=True)
        session = json.loads(done.stdout)
        video = programs.probe(self.gateway.url + session["links"]["video"])
        self.assertEqual(len(video["frames"]), 9 + 3 * 12)
        self.assertEqual(video["streams"][0]["codec_name"], "h264")

    def test_ffmpeg_follows_the_playlist_while_it_grows(self):
        session = self.live(length_chunks=8)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "out.mp4")
            done = subprocess.run(["ffmpeg", "-v", "error", "-live_start_index", "0", "-i",
                                   self.gateway.url + session["links"]["playlist"], "-c", "copy", str(path)],
                                  capture_output=True, timeout=120)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
            self.assertEqual(len(programs.probe(path)["frames"]), 9 + 7 * 12)

    def test_a_viewer_who_comes_later_begins_at_a_whole_chunk(self):
        session = self.live(length_chunks=6)
        with self.gateway.open(session["links"]["video"] + "?from=2") as answer, \
                tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            file.write(answer.read())
            file.flush()
            video = programs.probe(file.name)
        self.assertEqual(len(video["frames"]), 4 * 12)
        self.assertTrue(video["frames"][0]["key_frame"])
        self.assertAlmostEqual(float(video["frames"][0]["pts_time"]), (9 + 12) / 16, places=3)

    def test_twenty_viewers_get_the_same_bytes_and_memory_stays_where_it_was(self):
        session = self.live(length_chunks=8)
        bodies = [None] * 20

        def watch(i):
            with self.gateway.open(session["links"]["video"]) as answer:
                bodies[i] = answer.read()

        before = programs.resident_bytes(self.gateway.process.pid)
        viewers = [threading.Thread(target=watch, args=(i,)) for i in range(len(bodies))]
        for viewer in viewers:
            viewer.start()
        for viewer in viewers:
            viewer.join()
        self.assertEqual(len(set(bodies)), 1)
        self.assertLess(programs.resident_bytes(self.gateway.process.pid) - before, 16 << 20)

    def test_a_replay_of_what_was_changed_is_the_same_video_byte_for_byte(self):
        session = self.live(length_chunks=8, run_ahead_chunks=2)
        base = f"/live/{session['id']}"
        with self.gateway.open(base + "/events") as events:
            for line in events:
                if line == b"event: chunk\n":
                    break
            status, answer = self.gateway.json(base + "/prompt", {"prompt": "a green star moves left"})
            self.assertEqual(status, 202, answer)
            with self.gateway.open(base + "/video.mp4") as video:
                first = video.read()
        request = self.gateway.json(base)[1]["request"]
        self.assertEqual(len(request["changes"]), 1)
        status, replay = self.gateway.json("/live", request)
        self.assertEqual(status, 201, replay)
        with self.gateway.open(replay["links"]["video"]) as video:
            self.assertEqual(video.read(), first)

    def test_info_is_what_the_server_says(self):
        status, info = self.gateway.json("/info")
        self.assertEqual((status, info["model"]["name"]), (200, "tiny"))
        self.assertIn("circle", info["model"]["vocabulary"])


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
