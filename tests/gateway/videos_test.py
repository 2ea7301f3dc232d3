"""/v1/videos before the real programs, spoken with plain HTTP; openai_test.py speaks it with OpenAI's own client."""
import http.client
import pathlib
import tempfile
import unittest

import programs

PROMPT = "a red circle moves right on a blue plain background"


def wait_for_end(gateway, video):
    while video["status"] in ("queued", "in_progress"):
        status, video = gateway.json("/v1/videos/" + video["id"])
        assert status == 200, video
    return video


class VideosTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = programs.start_server()
        cls.folder = tempfile.TemporaryDirectory()
        cls.gateway = cls.start_gateway()

    @classmethod
    def start_gateway(cls):
        return programs.Gateway([cls.server], "--jobs-folder=" + cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.server.stop()
        cls.folder.cleanup()

    def create(self, **more):
        status, video = self.gateway.json("/v1/videos", {"prompt": PROMPT, "seconds": "2", **more})
        self.assertEqual(status, 200, video)
        return video

    def test_a_video_is_made_and_fetched_whole_and_in_parts(self):
        video = wait_for_end(self.gateway, self.create(seed=7, model="tiny"))
        self.assertEqual((video["status"], video["progress"], video["error"]), ("completed", 100, None))
        path = f"/v1/videos/{video['id']}/content"
        with self.gateway.open(path) as answer:
            self.assertEqual(answer.headers["Content-Type"], "video/mp4")
            whole = answer.read()
            self.assertEqual(int(answer.headers["Content-Length"]), len(whole))
        with self.gateway.open(path, headers={"Range": "bytes=100-199"}) as answer:
            self.assertEqual((answer.status, answer.read()), (206, whole[100:200]))
            self.assertEqual(answer.headers["Content-Range"], f"bytes 100-199/{len(whole)}")
        status, refusal = self.gateway.json(path, headers={"Range": f"bytes={len(whole)}-"})
        self.assertEqual((status, refusal["error"]["reason"]), (416, "OUT_OF_RANGE"))
        self.assertEqual(len(programs.probe(self.gateway.url + path)["frames"]), 9 + 2 * 12)

    def test_what_cannot_be_made_fails_with_the_servers_reason(self):
        video = wait_for_end(self.gateway, self.create(size="1x1"))
        self.assertEqual((video["status"], video["error"]["code"]), ("failed", "UNSUPPORTED_VALUE"))
        status, error = self.gateway.json(f"/v1/videos/{video['id']}/content")
        self.assertEqual((status, error["error"]["reason"]), (409, "NOT_COMPLETED"))

    def test_wrong_requests_are_told_their_field(self):
        for body, field in (({}, "prompt"), ({"prompt": "a", "seconds": "soon"}, "seconds"),
                            ({"prompt": "a", "seconds": -1}, "seconds"), ({"prompt": "a", "colour": 1}, "colour"),
                            ({"prompt": "a", "input_reference": "x"}, "input_reference")):
            status, error = self.gateway.json("/v1/videos", body)
            self.assertEqual((status, error["error"]["param"]), (400, field), error)

    def test_a_list_is_newest_first_goes_on_behind_one_and_is_each_owners_own(self):
        mine = {"Authorization": "Bearer list"}
        ids = [self.gateway.json("/v1/videos", {"prompt": PROMPT, "seconds": 0.5}, headers=mine)[1]["id"]
               for _ in range(3)]
        status, listed = self.gateway.json("/v1/videos?limit=2", headers=mine)
        self.assertEqual((status, len(listed["data"]), listed["has_more"]), (200, 2, True))
        status, rest = self.gateway.json(f"/v1/videos?after={listed['last_id']}", headers=mine)
        self.assertEqual(len(rest["data"]), 1)
        self.assertEqual({video["id"] for video in listed["data"] + rest["data"]}, set(ids))
        self.assertEqual(self.gateway.json(f"/v1/videos/{ids[0]}")[0], 404)

    def test_a_deleted_video_is_gone_also_while_it_is_made(self):
        video = self.create(seconds=600)
        status, deleted = self.gateway.json("/v1/videos/" + video["id"], method="DELETE")
        self.assertEqual((status, deleted["deleted"]), (200, True))
        self.assertEqual(self.gateway.json("/v1/videos/" + video["id"])[0], 404)

    def test_a_restart_keeps_what_was_finished(self):
        video = wait_for_end(self.gateway, self.create())
        self.assertEqual(self.gateway.stop(), 0)
        type(self).gateway = self.start_gateway()
        status, kept = self.gateway.json("/v1/videos/" + video["id"])
        self.assertEqual((status, kept["status"]), (200, "completed"))
        self.assertTrue(pathlib.Path(self.folder.name, video["id"] + ".mp4").exists())

    def test_head_tells_the_length_and_sends_nothing(self):
        video = wait_for_end(self.gateway, self.create())
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port)
        connection.request("HEAD", f"/v1/videos/{video['id']}/content")
        answer = connection.getresponse()
        self.assertGreater(int(answer.headers["Content-Length"]), 1000)
        self.assertEqual(answer.read(), b"")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
