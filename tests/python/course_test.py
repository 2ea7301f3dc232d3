"""What follows on a broken call, decided without any. Run by package_test.py."""
import unittest

from videodiffcr import events, requests, resume
from videodiffcr.errors import VideoError
from videodiffcr.resume import Course, Step
from videodiffcr.v1 import video_generation_pb2 as pb

NETWORK = VideoError("UNAVAILABLE", "Socket closed")
DRAINING = VideoError("ABORTED", "the server drains", reason="DRAINING")


def started(session="one", controls_received=0, token="token"):
    return pb.StreamVideoResponse(started=pb.SessionStarted(session_id=session, resume_token=token, seed=7,
                                                            controls_received=controls_received))


def chunk(sequence, event_number, init_segment=b""):
    return pb.StreamVideoResponse(event_number=event_number,
                                  chunk=pb.VideoChunk(sequence=sequence, init_segment=init_segment))


def snapshot(next_sequence, event_number):
    return pb.StreamVideoResponse(event_number=event_number, snapshot=pb.SessionSnapshot(next_sequence=next_sequence))


def running(servers=1, chunks=0, patience=resume.PATIENCE):
    """A session that has received so many chunks."""
    course = Course(requests.config("a red circle", chunks=8), servers, patience)
    course.take(started())
    for sequence in range(chunks):
        course.take(chunk(sequence, sequence + 1, b"init" if sequence == 0 else b""))
        course.received(sequence, 0.0)
    return course


class CourseTest(unittest.TestCase):
    def test_a_session_starts_resumable_under_a_name_of_its_own(self):
        first, second = (Course(requests.config("a red circle")).first_message().config for _ in range(2))
        self.assertTrue(first.resumable and first.request_id)
        self.assertNotEqual(first.request_id, second.request_id)
        self.assertEqual(Course(requests.config("a", request_id="mine")).first_message().config.request_id, "mine")

    def test_snapshots_are_asked_for_where_another_server_could_use_them(self):
        self.assertEqual(Course(requests.config("a"), 1).first_message().config.snapshot_interval_chunks, 0)
        self.assertEqual(Course(requests.config("a"), 2).first_message().config.snapshot_interval_chunks, 4)
        mine = requests.config("a", snapshot_interval_chunks=9)
        self.assertEqual(Course(mine, 2).first_message().config.snapshot_interval_chunks, 9)

    def test_without_patience_a_session_ends_with_its_call(self):
        course = running(patience=0)
        self.assertFalse(course.first_message().config.resumable)
        self.assertIsNone(course.broke_off(NETWORK, 0.0))
        self.assertIsNone(course.cancel_request())

    def test_a_broken_call_is_resumed_behind_the_last_chunk_that_arrived(self):
        opening = running(chunks=3).broke_off(NETWORK, 0.0)
        self.assertEqual((opening.step, opening.server, opening.news), (Step.RESUME, 0, True))
        self.assertEqual((opening.first.resume.resume_token, opening.first.resume.last_sequence), ("token", 2))
        opening = running().broke_off(NETWORK, 0.0)
        self.assertFalse(opening.first.resume.HasField("last_sequence"))

    def test_a_start_whose_answer_was_lost_is_made_again_under_the_same_name(self):
        course = Course(requests.config("a red circle"))
        opening = course.broke_off(NETWORK, 0.0)
        self.assertEqual((opening.step, opening.first), (Step.START, course.first_message()))

    def test_an_end_that_the_server_gives_a_reason_for_is_an_end(self):
        for reason in ("SESSION_IDLE", "SUPERSEDED", "PROMPT_EMPTY"):
            self.assertIsNone(running(servers=2, chunks=1).broke_off(VideoError("ABORTED", "", reason=reason), 0.0))
        self.assertIsNone(running().broke_off(VideoError("DEADLINE_EXCEEDED", ""), 0.0))

    def test_a_server_that_gives_no_token_is_not_asked_to_resume_and_sent_no_acks(self):
        course = Course(requests.config("a red circle"))
        course.take(started(token=""))
        self.assertIsNone(course.received(7, 0.0))
        self.assertIsNone(course.broke_off(NETWORK, 0.0))

    def test_events_that_have_arrived_are_passed_over(self):
        course = running(chunks=2)
        course.broke_off(NETWORK, 0.0)
        self.assertEqual(course.take(started()), (False, []))
        self.assertEqual(course.take(chunk(1, 2)), (False, []))
        self.assertEqual(course.take(chunk(2, 3)), (True, []))

    def test_controls_that_the_session_has_not_got_are_sent_again_in_order(self):
        course = running(chunks=1)
        sent = [requests.prompt_change(f"prompt {number}", number) for number in range(4)]
        for request in sent[:3]:
            self.assertTrue(course.control(request))
        course.broke_off(NETWORK, 0.0)
        self.assertFalse(course.control(sent[3]))  # nobody to send it to until the session has said what it got
        self.assertEqual(course.take(started(controls_received=1)), (False, sent[1:]))
        self.assertTrue(course.control(requests.FINISH))

    def test_a_few_chunks_are_acknowledged_together_and_not_too_often(self):
        course = running()
        acks = [course.received(sequence, sequence * 0.01) for sequence in range(5)]
        self.assertEqual([ack.ack.sequence for ack in acks if ack], [3])
        self.assertIsNone(course.received(9, 0.1))
        self.assertEqual(course.received(10, 1.0).ack.sequence, 10)

    def test_a_drained_server_is_followed_by_the_next_from_the_snapshot(self):
        course = running(servers=2, chunks=5)
        course.control(requests.PAUSE)
        course.take(snapshot(5, 6))
        opening = course.broke_off(DRAINING, 0.0)
        self.assertEqual((opening.step, opening.server), (Step.GO_ON, 1))
        self.assertEqual(opening.first.resume.snapshot.next_sequence, 5)
        self.assertEqual(course.take(started("two", controls_received=0)), (False, [requests.PAUSE]))
        self.assertEqual((course.hand_overs, course.resumes), (1, 0))
        self.assertTrue(course.take(chunk(5, 1))[0])  # event numbers begin anew

    def test_a_lost_server_is_asked_once_more_and_then_the_next(self):
        course = running(servers=2, chunks=5)
        course.take(snapshot(4, 6))
        steps = [course.broke_off(NETWORK, 0.0) for _ in range(3)]
        self.assertEqual([(step.step, step.server) for step in steps],
                         [(Step.RESUME, 0), (Step.GO_ON, 1), (Step.GO_ON, 0)])
        self.assertEqual([step.news for step in steps], [True, False, False])
        course.take(started("two"))
        self.assertFalse(course.take(chunk(4, 1))[0])  # made again
        self.assertTrue(course.take(chunk(5, 2))[0])
        self.assertEqual(course.hand_overs, 1)

    def test_before_the_first_snapshot_the_next_server_begins_anew_with_the_same_seed(self):
        course = running(servers=2, chunks=2)
        course.broke_off(NETWORK, 0.0)
        opening = course.broke_off(NETWORK, 0.0)
        self.assertEqual((opening.step, opening.server, opening.first.config.seed), (Step.START, 1, 7))

    def test_the_same_server_that_has_forgotten_the_session_begins_anew_only_where_snapshots_were_to_come(self):
        forgotten = VideoError("UNAUTHENTICATED", "", reason="RESUME_TOKEN_INVALID")
        self.assertIsNone(running(chunks=2).broke_off(forgotten, 0.0))
        course = Course(requests.config("a red circle", chunks=8, snapshot_interval_chunks=4))
        course.take(started())
        opening = course.broke_off(forgotten, 0.0)
        self.assertEqual((opening.step, opening.server, opening.first.config.seed), (Step.START, 0, 7))

    def test_a_session_whose_server_is_gone_goes_on_elsewhere_from_its_snapshot(self):
        course = running(servers=2, chunks=5)
        course.take(snapshot(5, 6))
        opening = course.broke_off(VideoError("DATA_LOSS", "", reason="SESSION_ELSEWHERE"), 0.0)
        self.assertEqual((opening.step, opening.first.resume.snapshot.next_sequence), (Step.GO_ON, 5))

    def test_a_token_leads_a_call_to_the_server_that_made_it(self):
        self.assertEqual(requests.metadata(None, "MTAuMC4wLjc.name.sign"), [("videodiffcr-server", "MTAuMC4wLjc")])
        self.assertEqual(requests.metadata("secret", "name.sign"), [("authorization", "Bearer secret")])

    def test_an_equal_init_segment_is_not_handed_out_twice(self):
        course = running(servers=2, chunks=2)
        course.take(snapshot(2, 3))
        course.broke_off(DRAINING, 0.0)
        course.take(started("two"))
        for init_segment, wanted in ((b"init", b""), (b"other", b"other")):
            response = chunk(2, 0, init_segment)
            course.take(response)
            self.assertEqual(response.chunk.init_segment, wanted)

    def test_a_first_fragment_is_handed_out_once_and_costs_its_chunk_nothing(self):
        fragment = pb.StreamVideoResponse(first_fragment=pb.FirstFragment(init_segment=b"init"))
        course = running()
        self.assertTrue(course.take(fragment)[0])
        self.assertIsNone(course.first_message(Step.RESUME).resume.last_sequence or None)
        self.assertFalse(course.take(fragment)[0])  # of a session that was begun anew
        first = chunk(0, 1, b"init")
        self.assertTrue(course.take(first)[0])
        self.assertEqual(first.chunk.init_segment, b"init")
        self.assertFalse(running(chunks=1).take(fragment)[0])

    def test_a_chunk_that_is_not_what_its_first_fragment_said_is_an_error(self):
        for payload, wrong in ((b"fir", None), (b"fur", "does not begin"), (b"first and more", "does not begin")):
            reader = events.Reader()
            fragment = pb.FirstFragment(payload=payload, payload_crc32c=events.crc32c(payload), frame_count=1)
            early = reader.read(pb.StreamVideoResponse(first_fragment=fragment))
            self.assertEqual((early.frame_count, early.data), (1, payload))
            whole = pb.StreamVideoResponse(chunk=pb.VideoChunk(payload=b"first", payload_crc32c=events.crc32c(b"first")))
            if wrong is None:
                self.assertEqual(reader.read(whole).data, b"first")
                continue
            with self.assertRaises(VideoError) as caught:
                reader.read(whole)
            self.assertEqual(caught.exception.code, "DATA_LOSS")
            self.assertIn(wrong, str(caught.exception))
        with self.assertRaises(VideoError):
            events.Reader().read(pb.StreamVideoResponse(first_fragment=pb.FirstFragment(payload=b"a", payload_crc32c=1)))

    def test_a_full_server_sends_on_to_the_next_and_each_is_asked_once(self):
        full = VideoError("RESOURCE_EXHAUSTED", "full", reason="SERVER_FULL")
        course = Course(requests.config("a red circle"), servers=2)
        self.assertEqual(course.broke_off(full, 0.0).server, 1)
        self.assertIsNone(course.broke_off(full, 0.0))
        self.assertIsNone(Course(requests.config("a red circle")).broke_off(full, 0.0))

    def test_patience_ends_with_what_broke_the_call(self):
        course = running(patience=5.0)
        self.assertIsNotNone(course.broke_off(NETWORK, 10.0))
        refused = VideoError("UNAVAILABLE", "connection refused")
        self.assertIsNotNone(course.broke_off(refused, 14.9))
        self.assertIsNone(course.broke_off(refused, 15.0))
        self.assertIs(course.end_of(refused), NETWORK)
        self.assertIs(course.end_of(DRAINING), DRAINING)

    def test_pauses_grow_up_to_a_second_and_begin_anew_behind_success(self):
        course = running()
        pauses = [course.broke_off(NETWORK, 0.0).pause for _ in range(8)]
        self.assertEqual(pauses, sorted(pauses))
        self.assertEqual((pauses[0], pauses[-1]), (0.02, 1.0))
        course.take(started())
        self.assertEqual(course.broke_off(NETWORK, 0.0).pause, 0.02)

    def test_a_session_that_has_a_token_is_cancelled_by_it(self):
        self.assertIsNone(Course(requests.config("a")).cancel_request())
        self.assertEqual(running().cancel_request(), pb.CancelSessionRequest(session_id="one", resume_token="token"))


class AddressesTest(unittest.TestCase):
    def test_an_empty_address_in_a_list_and_a_negative_patience_are_refused_by_name(self):
        for address in ("", "a:1,,b:2", "a:1,"):
            with self.assertRaisesRegex(ValueError, "address: "):
                requests.channels(None, address, None)
        for seconds in (-1.0, float("nan")):
            with self.assertRaisesRegex(ValueError, "patience: "):
                requests.patience(True, seconds)

    def test_half_a_certificate_and_files_that_hold_nothing_are_refused_by_name(self):
        for name, wrong in (("root_certificates", (b"", None, None)), ("private_key", (None, b"", b"chain")),
                            ("certificate_chain", (None, b"key", b"")), ("certificate_chain", (b"root", b"key", None))):
            with self.assertRaisesRegex(ValueError, name):
                requests.credentials(True, *wrong)
        self.assertIsNone(requests.credentials(False, None, None, None))


if __name__ == "__main__":
    unittest.main(verbosity=2)
