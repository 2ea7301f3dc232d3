"""The installed package videodiffcr against the real server. Run by package_test.py inside a fresh environment."""
import asyncio
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

sys.path.insert(0, str(pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"], "tests/gateway")))
import programs  # noqa: E402  (the test's own programs, not the package's)

import videodiffcr  # noqa: E402

PROMPT = "a red circle moves right on a blue plain background"


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = programs.start_server()
        cls.address = f"127.0.0.1:{cls.server.port}"
        cls.client = videodiffcr.Client(cls.address)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.server.stop()

    def test_the_package_under_test_is_the_installed_one(self):
        self.assertIn("site-packages", videodiffcr.__file__)
        self.assertTrue(pathlib.Path(videodiffcr.__file__).with_name("py.typed").exists())

    def test_generate_makes_a_file_that_ffprobe_finds_nothing_wrong_with(self):
        video = self.client.generate(PROMPT, chunks=3, seed=7, progress=True)
        self.assertEqual((video.seed, video.finished.frames), (7, 33))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "a.mp4")
            video.save(path)
            self.assertEqual(len(programs.probe(path)["frames"]), 33)
            self.assertEqual(os.listdir(folder), ["a.mp4"])
        self.assertIn("<video", video._repr_html_())
        self.assertEqual(video.data, self.client.generate(PROMPT, chunks=3, seed=7).data)

    def test_a_stream_takes_changes_and_says_from_which_chunk_they_show(self):
        applied = {}

        def on_event(event):
            if isinstance(event, videodiffcr.Applied):
                applied[event.update_id] = event.first_chunk

        numbers = []
        with self.client.stream(PROMPT, chunks=8, seed=7, run_ahead_chunks=1, start_buffer=0, on_event=on_event) as stream:
            for chunk in stream:
                if chunk.sequence == 1:
                    numbers = [stream.set_prompt("a green star moves left"), stream.set_budget(0.7)]
        self.assertEqual(chunk.sequence, 7)
        self.assertEqual(sorted(applied), sorted(numbers))
        self.assertGreater(min(applied.values()), 1)
        self.assertEqual(chunk.nominal_retention, 0.7)

    def test_the_first_frame_comes_as_an_event_that_the_first_chunk_begins_with(self):
        early = []

        def on_event(event):
            if isinstance(event, videodiffcr.FirstFragment):
                early.append(event)

        chunks = []
        with self.client.stream(PROMPT, chunks=2, seed=7, first_fragment_frames=1, on_event=on_event) as stream:
            for chunk in stream:
                self.assertEqual(len(early), 1)
                chunks.append(chunk.data)
        self.assertEqual(early[0].frame_count, 1)
        self.assertTrue(chunks[0].startswith(early[0].data))
        with tempfile.TemporaryDirectory() as folder:
            for name, data, frames in (("early", early[0].data, 1), ("whole", b"".join(chunks), 21)):
                path = pathlib.Path(folder, name + ".mp4")
                path.write_bytes(data)
                self.assertEqual(len(programs.probe(path)["frames"]), frames)

    def test_finish_ends_a_stream_without_an_end_and_leaving_it_cancels(self):
        with self.client.stream(PROMPT) as stream:
            for chunk in stream:
                stream.finish()
        self.assertEqual(stream.finished.reason, "FINISH_REQUESTED")
        with self.client.stream(PROMPT) as stream:
            next(iter(stream))
        self.assertIsNone(stream.finished)

    def test_a_refusal_is_an_exception_with_reason_and_field(self):
        with self.assertRaises(videodiffcr.VideoError) as caught:
            self.client.generate("")
        error = caught.exception
        self.assertEqual((error.code, error.reason), ("INVALID_ARGUMENT", "PROMPT_EMPTY"))
        self.assertIn("prompt", error.field)

    def test_a_full_server_says_when_to_come_back(self):
        server = programs.start_server("--max-sessions=1", "--max-waiting-sessions=0")
        try:
            with videodiffcr.Client(f"127.0.0.1:{server.port}") as client, client.stream(PROMPT) as first:
                chunks = iter(first)  # one that is forgotten cancels the session
                next(chunks)
                with self.assertRaises(videodiffcr.VideoError) as caught:
                    client.generate(PROMPT)
                self.assertEqual(caught.exception.reason, "SERVER_FULL")
        finally:
            server.stop()

    def test_a_server_that_is_not_there_is_an_exception(self):
        with videodiffcr.Client("127.0.0.1:1") as client, self.assertRaises(videodiffcr.VideoError) as caught:
            client.info()
        self.assertEqual(caught.exception.code, "UNAVAILABLE")

    def test_where_servers_want_a_certificate_of_its_client_one_with_it_comes_in(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = pathlib.Path(folder, "tls.crt"), pathlib.Path(folder, "tls.key")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a",
                            "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True, capture_output=True)
            server = programs.start_server(f"--tls-certificate={certificate}", f"--tls-key={key}", f"--tls-client-ca={certificate}")
            self.addCleanup(server.stop)
            chain, address = certificate.read_bytes(), f"127.0.0.1:{server.port}"
            with videodiffcr.Client(address, root_certificates=chain, private_key=key.read_bytes(), certificate_chain=chain) as client:
                self.assertEqual(client.generate(PROMPT, chunks=1).finished.frames, 9)
            with videodiffcr.Client(address, root_certificates=chain) as client, self.assertRaises(videodiffcr.VideoError) as caught:
                client.info()
            self.assertEqual(caught.exception.code, "UNAVAILABLE")

    def test_unknown_words_come_as_a_warning(self):
        with self.client.stream("a red elephant moves right", chunks=1) as stream:
            list(stream)
        warnings = [event for event in stream.events if isinstance(event, videodiffcr.ServerWarning)]
        self.assertEqual([warning.reason for warning in warnings], ["UNKNOWN_WORDS"])

    def test_asyncio_streams_side_by_side_and_generates_the_same_bytes(self):
        async def run():
            async with videodiffcr.AsyncClient(self.address) as client:
                info = await client.info()
                videos = await asyncio.gather(*(client.generate(PROMPT, chunks=3, seed=7) for _ in range(3)))
                async with client.stream(PROMPT, seed=7) as stream:
                    count = 0
                    async for _ in stream:
                        count += 1
                        if count == 2:
                            stream.finish()
                with self.assertRaises(videodiffcr.VideoError):
                    await client.generate("")
                return info, videos, stream

        info, videos, stream = asyncio.run(run())
        self.assertEqual(info.model.name, "tiny")
        self.assertEqual({video.data for video in videos}, {self.client.generate(PROMPT, chunks=3, seed=7).data})
        self.assertEqual(stream.finished.reason, "FINISH_REQUESTED")

    def test_an_asyncio_stream_takes_changes_and_numbers_them_in_order(self):
        async def run():
            async with videodiffcr.AsyncClient(self.address) as client:
                async with client.stream(PROMPT, chunks=6, seed=7, run_ahead_chunks=1, start_buffer=0) as stream:
                    numbers = []
                    async for chunk in stream:
                        if chunk.sequence == 1:
                            numbers = [stream.set_budget(0.7), stream.scene_cut("a green star moves left")]
                return numbers, stream.events, chunk

        numbers, events, last = asyncio.run(run())
        self.assertEqual(numbers, [1, 2])
        applied = [event.update_id for event in events if isinstance(event, videodiffcr.Applied)]
        self.assertEqual(applied, numbers)
        self.assertEqual((last.sequence, last.nominal_retention), (5, 0.7))

    @unittest.skipIf(importlib.util.find_spec("av") is None, "PyAV is not installed in this environment")
    def test_frames_are_arrays_of_what_the_prompt_says(self):
        frames = list(self.client.generate(PROMPT, chunks=2, seed=7).frames())
        self.assertEqual((len(frames), frames[0].shape), (21, (96, 160, 3)))
        red, green, blue = frames[-1].reshape(-1, 3).mean(axis=0)
        self.assertGreater(blue, green)

    def test_without_numpy_who_asks_for_frames_is_told_what_to_install(self):
        video = self.client.generate(PROMPT, chunks=1)
        with unittest.mock.patch.dict(sys.modules, {"numpy": None}), self.assertRaisesRegex(ImportError, r"videodiffcr\[frames\]"):
            next(video.frames())


if __name__ == "__main__":
    unittest.main(verbosity=2)
