"""Servers that are killed or told to stop under what a gateway serves: viewers and jobs go on elsewhere without a seam."""
import json
import pathlib
import signal
import tempfile
import threading
import unittest

import programs

CHUNKS = 14
FRAMES = 9 + (CHUNKS - 1) * 12
SEAM = 1.5 / 16  # longest that two frames may be apart, in seconds


class Events:
    """The events of a live session, as they come."""

    def __init__(self, gateway, live):
        self.answer = gateway.open(live + "/events")
        self.seen = []

    def until(self, name, wanted=lambda message: True):
        """Reads up to an event that is `wanted`; its message."""
        for line in self.answer:
            if line.startswith(b"event: "):
                event = line[7:].strip().decode()
            if line.startswith(b"data: "):
                self.seen.append((event, json.loads(line[6:])))
                if event == name and wanted(self.seen[-1][1]):
                    return self.seen[-1][1]
        raise AssertionError(f"no {name} that was wanted: {self.seen[-8:]}")


class HandOverTest(unittest.TestCase):
    def setUp(self):
        self.servers = [programs.start_server(), programs.start_server()]
        self.gateway = programs.Gateway(self.servers)
        self.addCleanup(lambda: [server.stop() for server in self.servers])
        self.addCleanup(self.gateway.stop)

    def address(self, server):
        return f"127.0.0.1:{server.port}"

    def server_of(self, session):
        """The server that has the session, and the other."""
        server, other = self.servers
        return (server, other) if session["server"] == self.address(server) else (other, server)

    def watch(self, live):
        """Reads the video to its end on a thread of its own."""
        read = {}
        def run():
            with self.gateway.open(live + "/video.mp4") as answer:
                read["bytes"] = answer.read()
        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        return thread, read

    def judge(self, video, frames=FRAMES):
        """Nothing is wrong with it, and no frame is missing, doubled or late."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "video.mp4")
            path.write_bytes(video)
            times = [float(frame["pts_time"]) for frame in programs.probe(path)["frames"]]
        self.assertEqual(len(times), frames)
        for before, after in zip(times, times[1:]):
            self.assertTrue(0 < after - before < SEAM, (before, after))

    def lose_the_server_under_a_viewer(self, how):
        session = self.gateway.live(seed=7, length_chunks=CHUNKS)
        live = f"/live/{session['id']}"
        server, other = self.server_of(session)
        thread, read = self.watch(live)
        events = Events(self.gateway, live)
        events.until("chunk")
        self.assertEqual(self.gateway.json(live + "/budget", {"budget": 0.7}), (202, {"accepted": True, "sent": True}))
        events.until("update_applied")
        events.until("chunk", lambda chunk: chunk["sequence"] == "6")
        server.process.send_signal(how)
        away = events.until("server")
        self.assertEqual((away["state"], away["server"]), ("away", self.address(server)))
        going_on = events.until("server")
        self.assertEqual(going_on, {"state": "going_on", "server": self.address(other), "handed_over": True})
        ended = events.until("ended")
        self.assertTrue(ended["ok"], ended)
        thread.join()
        self.judge(read["bytes"])
        chunks = [message for name, message in events.seen if name == "chunk"]
        self.assertEqual([int(chunk["sequence"]) for chunk in chunks], list(range(CHUNKS)))
        self.assertAlmostEqual(chunks[-1]["retention"]["nominal"], 0.7, msg="the budget went along")
        self.assertEqual(len([name for name, _ in events.seen if name == "update_applied"]), 1)
        self.assert_the_playlist_is_the_video(live, read["bytes"])
        self.assertEqual(self.gateway.metric("videodiffcr_gateway_hand_overs_total"), 1)
        return server

    def assert_the_playlist_is_the_video(self, live, video):
        with self.gateway.open(live + "/index.m3u8") as answer:
            playlist = answer.read().decode()
        self.assertNotIn("DISCONTINUITY", playlist)
        joined = b""
        for name in ["init-0.mp4", *[line for line in playlist.splitlines() if line.endswith(".m4s")]]:
            with self.gateway.open(f"{live}/{name}") as answer:
                joined += answer.read()
        self.assertEqual(joined, video)

    def test_a_viewer_sees_no_seam_where_the_server_is_killed(self):
        self.lose_the_server_under_a_viewer(signal.SIGKILL)

    def test_a_viewer_sees_no_seam_where_the_server_drains(self):
        server = self.lose_the_server_under_a_viewer(signal.SIGTERM)
        self.assertEqual(server.process.wait(60), 0)

    def test_a_paused_session_stays_paused_and_hears_what_was_said_while_no_server_had_it(self):
        session = self.gateway.live(seed=7, length_chunks=CHUNKS)
        live = f"/live/{session['id']}"
        thread, read = self.watch(live)
        events = Events(self.gateway, live)
        events.until("chunk", lambda chunk: chunk["sequence"] == "4")
        self.gateway.json(live + "/pause", {})
        events.until("state_changed", lambda message: message["state"] == "SESSION_STATE_PAUSED")
        for server in self.servers:
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(60)
        events.until("server", lambda message: message["state"] == "away")
        self.assertEqual(self.gateway.json(live)[1]["state"], "away")
        status, answer = self.gateway.json(live + "/prompt", {"prompt": "a green star moves left"})
        self.assertEqual((status, answer), (202, {"accepted": True, "sent": False}))
        # One comes back, with nothing in its memory.
        self.servers[0].folder.cleanup()
        self.servers[0] = programs.start_server(port=self.servers[0].port)
        going_on = events.until("server")
        self.assertEqual(going_on["server"], self.address(self.servers[0]))
        self.assertEqual(self.gateway.json(live)[1]["state"], "paused")
        self.gateway.json(live + "/unpause", {})
        self.assertTrue(events.until("ended")["ok"])
        thread.join()
        self.judge(read["bytes"])
        changes = self.gateway.json(live)[1]["request"]["changes"]
        self.assertEqual([change["prompt"] for change in changes], ["a green star moves left"])

    def test_a_job_is_made_to_its_end_by_another_server(self):
        status, job = self.gateway.json("/v1/videos", {"prompt": "a red circle moves right", "seconds": "60"})
        self.assertEqual(status, 200, job)
        path = "/v1/videos/" + job["id"]
        while self.gateway.json(path)[1]["progress"] < 10:
            pass
        self.servers[0].process.send_signal(signal.SIGKILL)  # servers take turns from the first one on
        elsewhere = False
        while (told := self.gateway.json(path)[1])["status"] == "in_progress":
            elsewhere |= self.gateway.json("/info")[1].get("active_sessions") == 1
        self.assertEqual(told["status"], "completed", told)
        self.assertTrue(elsewhere, "the job had ended before its server was killed")
        with self.gateway.open(path + "/content") as answer:
            self.judge(answer.read(), frames=9 + 80 * 12)  # 60 s are 960 frames, made up to whole chunks


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
