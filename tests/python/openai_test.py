"""OpenAI's own Python client, and requests, against the gateway. Run by package_test.py."""
import os
import pathlib
import sys
import tempfile
import unittest

import openai
import requests

sys.path.insert(0, str(pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"], "tests/gateway")))
import programs  # noqa: E402

PROMPT = "a red circle moves right on a blue plain background"


class OpenAITest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            os.environ.pop(name, None)  # all of it stays on this machine
        cls.server = programs.start_server()
        cls.gateway = programs.Gateway([cls.server])
        cls.client = openai.OpenAI(base_url=cls.gateway.url + "/v1", api_key="mine", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        cls.gateway.stop()
        cls.server.stop()

    def test_a_video_is_created_polled_downloaded_and_deleted(self):
        video = self.client.videos.create_and_poll(model="tiny", prompt=PROMPT, seconds="4", poll_interval_ms=50)
        self.assertEqual((video.status, video.progress, video.object), ("completed", 100, "video"))
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            self.client.videos.download_content(video.id).write_to_file(file.name)
            self.assertGreaterEqual(len(programs.probe(file.name)["frames"]), 64)
        self.assertTrue(self.client.videos.delete(video.id).deleted)
        with self.assertRaises(openai.NotFoundError):
            self.client.videos.retrieve(video.id)

    def test_a_list_is_walked_page_by_page(self):
        made = {self.client.videos.create(prompt=PROMPT, seconds="4").id for _ in range(3)}
        listed = [video.id for video in self.client.videos.list(limit=2)]
        self.assertLessEqual(made, set(listed))
        self.assertEqual(len(listed), len(set(listed)))

    def test_a_refusal_is_openais_own_exception_with_our_reason(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.videos.create(prompt="")
        self.assertEqual((caught.exception.code, caught.exception.param), ("PROMPT_EMPTY", "prompt"))

    def test_requests_reads_a_live_video_as_it_grows(self):
        session = requests.post(self.gateway.url + "/live", json={"prompt": PROMPT, "length_chunks": 4}, timeout=60).json()
        with requests.get(self.gateway.url + session["links"]["video"], stream=True, timeout=60) as answer, \
                tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            for piece in answer.iter_content(None):
                file.write(piece)
            file.flush()
            self.assertEqual(len(programs.probe(file.name)["frames"]), 45)


if __name__ == "__main__":
    unittest.main(verbosity=2)
