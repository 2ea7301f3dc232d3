"""Sessions of the package that outlive their connections and servers. Run by package_test.py."""
import asyncio
import os
import pathlib
import signal
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"], "tests/gateway")))
import programs  # noqa: E402
from relay import Relay  # noqa: E402  (programs knows the way to it)

import videodiffcr  # noqa: E402

PROMPT = "a red circle moves right on a blue plain background"
CHUNKS = 8


def interruptions(stream):
    return [event for event in stream.events if isinstance(event, videodiffcr.Interrupted)]


async def collect(address, on_chunk, **options):
    async with videodiffcr.AsyncClient(address) as client, client.stream(PROMPT, **options) as stream:
        chunks = []
        async for chunk in stream:
            chunks.append(chunk)
            on_chunk(chunk, stream)
    return chunks, stream


class CutConnectionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = programs.start_server("--max-sessions=1", "--disconnect-grace=2m")
        with videodiffcr.Client(f"127.0.0.1:{cls.server.port}") as client, \
                client.stream(PROMPT, chunks=CHUNKS, seed=7, resume=False) as stream:
            cls.whole = b"".join(chunk.data for chunk in stream)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.wire = Relay(f"127.0.0.1:{self.server.port}")
        self.addCleanup(self.wire.close)
        self.options = {"chunks": CHUNKS, "seed": 7, "run_ahead_chunks": 1}

    def cut_at(self, *sequences):
        return lambda chunk, _: self.wire.cut() if chunk.sequence in sequences else None

    def test_a_session_whose_connection_is_cut_arrives_whole_with_equal_bytes(self):
        cut = self.cut_at(1, 3, 5)
        parts = []
        with videodiffcr.Client(self.wire.address) as client, client.stream(PROMPT, **self.options) as stream:
            for chunk in stream:
                parts.append(chunk.data)
                cut(chunk, stream)
        self.assertEqual(b"".join(parts), self.whole)
        self.assertGreaterEqual(stream.resumes, 1)
        self.assertEqual(stream.hand_overs, 0)
        self.assertTrue(interruptions(stream))
        self.assertEqual(stream.finished.chunks, CHUNKS)

    def test_the_same_with_asyncio(self):
        chunks, stream = asyncio.run(collect(self.wire.address, self.cut_at(1, 3, 5), **self.options))
        self.assertEqual(b"".join(chunk.data for chunk in chunks), self.whole)
        self.assertGreaterEqual(stream.resumes, 1)
        self.assertEqual(stream.finished.chunks, CHUNKS)

    def test_a_change_that_is_made_while_the_connection_is_cut_takes_effect_once(self):
        def on_chunk(chunk, stream):
            if chunk.sequence == 2:
                self.wire.cut()
                stream.finish()

        chunks, stream = asyncio.run(collect(self.wire.address, on_chunk, seed=7, start_buffer=0, run_ahead_chunks=1))
        self.assertEqual(stream.finished.reason, "FINISH_REQUESTED")
        self.assertEqual([chunk.sequence for chunk in chunks], list(range(len(chunks))))

    def test_without_resume_a_cut_connection_is_an_exception(self):
        with videodiffcr.Client(self.wire.address) as client, \
                client.stream(PROMPT, resume=False, run_ahead_chunks=1) as stream, \
                self.assertRaises(videodiffcr.VideoError) as caught:
            for _ in stream:
                self.wire.cut()
        self.assertEqual(caught.exception.code, "UNAVAILABLE")

    def test_a_stream_that_is_left_gives_its_place_back(self):
        # The server has one place, and keeps a resumable session without a call for two minutes.
        async def leave_at_once():
            async with videodiffcr.AsyncClient(self.wire.address) as client, client.stream(PROMPT) as stream:
                async for _ in stream:
                    return

        begin = time.monotonic()
        with videodiffcr.Client(self.wire.address) as client:
            with client.stream(PROMPT) as stream:
                next(iter(stream))
            asyncio.run(leave_at_once())
            self.assertEqual(client.generate(PROMPT, chunks=1).finished.chunks, 1)
        self.assertLess(time.monotonic() - begin, 100)


class LostServerTest(unittest.TestCase):
    def setUp(self):
        self.servers = [programs.start_server(), programs.start_server()]
        self.addresses = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        for server in self.servers:
            self.addCleanup(server.stop)
        self.options = {"chunks": CHUNKS, "seed": 7, "run_ahead_chunks": 1, "start_buffer": 0}

    def check(self, chunks, stream):
        self.assertEqual([chunk.sequence for chunk in chunks], list(range(CHUNKS)))
        self.assertEqual(stream.hand_overs, 1)
        self.assertEqual(stream.finished.chunks, CHUNKS)
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            file.write(b"".join(chunk.data for chunk in chunks))
            file.flush()
            self.assertEqual(len(programs.probe(file.name)["frames"]), 9 + 12 * (CHUNKS - 1))

    def end_first_server(self, number, at):
        def on_chunk(chunk, _):
            if chunk.sequence == at:
                self.servers[0].process.send_signal(number)

        return on_chunk

    def run_sync(self, on_chunk):
        chunks = []
        with videodiffcr.Client(self.addresses) as client, client.stream(PROMPT, **self.options) as stream:
            for chunk in stream:
                chunks.append(chunk)
                on_chunk(chunk, stream)
            self.assertEqual(client.info().model.name, "tiny")  # of the one that is left
        return chunks, stream

    def test_a_server_that_drains_is_followed_to_the_next(self):
        self.check(*self.run_sync(self.end_first_server(signal.SIGTERM, 2)))

    def test_a_server_that_is_killed_is_followed_to_the_next(self):
        self.check(*self.run_sync(self.end_first_server(signal.SIGKILL, 5)))

    def test_a_server_that_is_killed_before_the_first_snapshot_is_followed_too(self):
        self.check(*self.run_sync(self.end_first_server(signal.SIGKILL, 1)))

    def test_asyncio_follows_alike(self):
        self.check(*asyncio.run(collect(self.addresses, self.end_first_server(signal.SIGKILL, 5), **self.options)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
