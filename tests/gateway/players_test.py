"""What others make of the gateway: ffprobe, ffplay, mpv, VLC, curl and Python's own HTTP, before the real programs."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

import programs

try:
    import requests
except ImportError:
    requests = None


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

    def play(self, session, link, *command, as_nobody=False, **environment):
        """Runs a player on a link of the session, to its end; nothing but success is accepted."""
        command = [*map(str, command), self.gateway.url + session["links"][link]]
        if as_nobody and os.getuid() == 0:
            command = ["runuser", "-u", "nobody", "--", *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120,
                              env={**os.environ, "no_proxy": "127.0.0.1", **environment})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def test_ffplay_plays_the_growing_file_without_a_word_of_complaint(self):
        said = self.play(self.live(length_chunks=4), "video", "ffplay", "-v", "error", "-autoexit",
                         SDL_VIDEODRIVER="dummy", SDL_AUDIODRIVER="dummy")
        self.assertEqual(said, "")

    def test_generate_plays_straight_into_ffplay_by_a_pipe_and_by_itself(self):
        with tempfile.TemporaryDirectory() as folder:
            generate = [programs.BIN / "videodiffcr", "generate", "--server", f"127.0.0.1:{self.server.port}", "--prompt",
                        "a red circle moves right", "--chunks", "3", "--output"]
            environment = {**os.environ, "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
            environment.pop("VIDEODIFFCR_PLAYER", None)
            path = pathlib.Path(folder, "video.mp4")
            # Exit status of both ends; ffplay is silent unless something is wrong.
            pipe = "set -o pipefail; \"$@\" - 2>/dev/null | ffplay -v error -autoexit -i -"
            for command in (["bash", "-c", pipe, "bash", *generate], [*generate, path, "--play"]):
                done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120,
                                      env=environment)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("[mov", done.stderr)
            self.assertEqual(len(programs.probe(path)["frames"]), 9 + 2 * 12)

    @unittest.skipIf(shutil.which("mpv") is None, "mpv is not installed")
    def test_mpv_shows_every_frame_of_the_playlist(self):
        with tempfile.TemporaryDirectory() as folder:
            self.play(self.live(length_chunks=4), "playlist", "mpv", "--no-config", "--really-quiet", "--no-audio",
                      "--vo=image", "--vo-image-format=jpg", f"--vo-image-outdir={folder}")
            self.assertEqual(len(list(pathlib.Path(folder).glob("*.jpg"))), 9 + 3 * 12)

    @unittest.skipIf(shutil.which("cvlc") is None, "VLC is not installed (tools/setup.sh --test installs it)")
    def test_vlc_plays_the_playlist_and_the_growing_file(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)  # VLC does not want to be root
            for link in ("playlist", "video"):
                path = pathlib.Path(folder, link + ".ts")
                self.play(self.live(length_chunks=4), link, "cvlc", "-q", "--play-and-exit", "--sout",
                          f"#std{{access=file,mux=ts,dst={path}}}", as_nobody=True, HOME=folder)
                # Its writer leaves the last frame of a stream out.
                self.assertIn(len(programs.probe(path)["frames"]), (9 + 3 * 12 - 1, 9 + 3 * 12))

    @unittest.skipIf(requests is None, "python3-requests is not installed (tools/setup.sh --test installs it)")
    def test_requests_starts_a_session_and_reads_its_video_as_it_grows(self):
        with requests.Session() as http:
            http.trust_env = False  # no proxy from the environment
            session = http.post(self.gateway.url + "/live", json={"prompt": "a red circle", "length_chunks": 3}).json()
            with http.get(self.gateway.url + session["links"]["video"], stream=True, timeout=60) as answer, \
                    tempfile.NamedTemporaryFile(suffix=".mp4") as file:
                for piece in answer.iter_content(None):
                    file.write(piece)
                file.flush()
                self.assertEqual(len(programs.probe(file.name)["frames"]), 9 + 2 * 12)
            refused = http.post(self.gateway.url + "/live", json={"prompt": ""})
            self.assertEqual((refused.status_code, refused.json()["error"]["reason"]), (400, "PROMPT_EMPTY"))

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
