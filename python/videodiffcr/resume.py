"""How a session gets over broken connections and lost servers: what to do next, without doing any of it.

No input or output, no clock and no threads: Stream and AsyncStream ask, each in its own way of waiting. The C++ client
(client/video_call.h) decides alike.
"""
from __future__ import annotations

import collections
import dataclasses
import enum
import secrets
from typing import Deque, List, Optional, Tuple

from videodiffcr.errors import VideoError
from videodiffcr.v1 import video_generation_pb2 as pb

PATIENCE = 30.0  # seconds that a session is asked for again after its call broke off
CANCEL_TIMEOUT = 2.0
DRAINED_PATIENCE = 3.0
SHORTEST_PAUSE = 0.02
LONGEST_PAUSE = 1.0

# With several servers: no more chunks than these have to be made again when one is lost.
SNAPSHOT_INTERVAL_CHUNKS = 4

# More than a client may send in the time that a dead connection takes to be noticed.
MAX_CONTROLS_KEPT = 1024

# A server keeps 16 chunks by default, and takes 20 control messages a second.
CHUNKS_PER_ACK = 4
SECONDS_BETWEEN_ACKS = 0.25

_NETWORK_CODES = ("UNAVAILABLE", "INTERNAL", "UNKNOWN", "CANCELLED")
_THIS_SERVERS_REASONS = ("SERVER_FULL", "DRAINING", "MODEL_LOADING", "MODEL_LOST", "TOO_MANY_SESSIONS_ON_CONNECTION")
_LOST_REASONS = ("RESUME_TOKEN_INVALID", "REPLAY_WINDOW_LOST", "SESSION_ELSEWHERE")


class Step(enum.Enum):
    """What to do when a call is over."""
    END = "end"
    START = "begin anew"
    RESUME = "resume by token"
    GO_ON = "go on from the snapshot"


@dataclasses.dataclass(frozen=True)
class Opening:
    """The next call: at which server, after how many seconds, with which first message."""
    step: Step
    server: int
    pause: float
    first: pb.StreamVideoRequest
    news: bool  # the first try behind a break


def is_the_networks(error: VideoError) -> bool:
    """Our server gives a reason with every end; an end without one is the network's, or that of a proxy."""
    return not error.reason and error.code in _NETWORK_CODES


def is_this_servers_alone(error: VideoError) -> bool:
    """Another server may take what this one does not."""
    return error.reason in _THIS_SERVERS_REASONS


class Course:
    """Of one session, across all of its calls. Not thread-safe."""

    def __init__(self, request: pb.StreamVideoRequest, servers: int = 1, patience: float = PATIENCE):
        self._config = pb.SessionConfig()
        self._config.CopyFrom(request.config)
        self._config.resumable = patience > 0
        if self.resumable and servers > 1 and not self._config.snapshot_interval_chunks:
            self._config.snapshot_interval_chunks = SNAPSHOT_INTERVAL_CHUNKS
        if self.resumable and not self._config.request_id:
            self._config.request_id = f"client-{secrets.token_hex(8)}"
        self._servers = servers
        self._patience = patience
        self.server = 0  # in use
        self._refused_by = 0  # servers in a row that did not take the start
        self._server_answers = True  # the latest call was taken
        self._going_on = False  # a server is looked for that goes on from the snapshot
        self._holding = False  # a new call has not said yet what the session has received
        self._started: Optional[pb.SessionStarted] = None
        self._snapshot: Optional[pb.SessionSnapshot] = None
        self._init_segment = b""  # that the caller has
        self._has_first_fragment = False  # so has the caller
        self._next_sequence = 0
        self._last_event = 0
        self._acknowledged_through = -1
        self._acknowledged_at = float("-inf")
        # What was sent of late, each with how many were sent before it. A snapshot may be older than what its session
        # has received, and a server that begins anew has received nothing.
        self._controls: Deque[Tuple[int, pb.StreamVideoRequest]] = collections.deque(maxlen=MAX_CONTROLS_KEPT)
        self._controls_sent = 0
        self._give_up_at: Optional[float] = None  # None: there is nothing to mend
        self._cause: Optional[VideoError] = None
        self._pause = SHORTEST_PAUSE
        self.resumes = 0
        self.hand_overs = 0

    @property
    def resumable(self) -> bool:
        return self._config.resumable

    def first_message(self, step: Step = Step.START) -> pb.StreamVideoRequest:
        request = pb.StreamVideoRequest()
        if step is Step.GO_ON:
            request.resume.snapshot.CopyFrom(self._snapshot)
        elif step is Step.RESUME:
            request.resume.resume_token = self._started.resume_token
            if self._next_sequence > 0:
                request.resume.last_sequence = self._next_sequence - 1
        else:
            request.config.CopyFrom(self._config)
            if self._started is not None:
                request.config.seed = self._started.seed  # the same seed leads to the same chunks
        return request

    def control(self, request: pb.StreamVideoRequest) -> bool:
        """Takes note of a control. Whether it is to be sent now; if not, take() hands it out in time."""
        if self.resumable:
            self._controls.append((self._controls_sent, request))
            self._controls_sent += 1
        return not self._holding

    def take(self, response: pb.StreamVideoResponse) -> Tuple[bool, List[pb.StreamVideoRequest]]:
        """Whether the caller is to see a response, and what is to be sent because of it."""
        kind = response.WhichOneof("response")
        if kind == "started":
            again = self._started is not None
            return not again, self._take_started(response.started)
        if response.event_number:
            if response.event_number <= self._last_event:
                return False, []  # it has arrived on another call
            self._last_event = response.event_number
        if kind == "snapshot" and self.resumable:
            self._snapshot = response.snapshot
        if kind == "first_fragment":
            # A session that was begun anew sends it again; chunk 0 will show whether it is the same.
            again = self._has_first_fragment or self._next_sequence > 0
            self._has_first_fragment = True
            return not again, []
        return kind != "chunk" or self._take_chunk(response.chunk), []

    def _take_started(self, started: pb.SessionStarted) -> List[pb.StreamVideoRequest]:
        if self._started is not None and started.session_id != self._started.session_id:
            self._last_event = 0
        self._started = started
        self._give_up_at = self._cause = None
        self._pause = SHORTEST_PAUSE
        self._refused_by = 0
        self._server_answers = True
        self._going_on = False
        if not self._holding:
            return []
        self._holding = False
        return [request for before, request in self._controls if before >= started.controls_received]

    def _take_chunk(self, chunk: pb.VideoChunk) -> bool:
        # A server that has gone on from a snapshot makes again what came behind it.
        if self.hand_overs and chunk.sequence < self._next_sequence:
            return False
        if chunk.init_segment == self._init_segment:
            chunk.ClearField("init_segment")
        elif chunk.init_segment:
            self._init_segment = chunk.init_segment
        return True

    def received(self, sequence: int, now: float) -> Optional[pb.StreamVideoRequest]:
        """A chunk has arrived whole. The acknowledgement, when one is due."""
        self._next_sequence = sequence + 1
        # A server that gives no token knows nothing of it.
        if not self.resumable or self._started is None or not self._started.resume_token:
            return None
        if sequence - self._acknowledged_through < CHUNKS_PER_ACK or now - self._acknowledged_at < SECONDS_BETWEEN_ACKS:
            return None
        self._acknowledged_through = sequence
        self._acknowledged_at = now
        return pb.StreamVideoRequest(ack=pb.AckRequest(sequence=sequence))

    def _decide(self, error: VideoError) -> Step:
        if not self.resumable:
            return Step.END
        network = is_the_networks(error)
        if self._started is None:
            another = is_this_servers_alone(error) and self._refused_by + 1 < self._servers
            return Step.START if network or another else Step.END
        if not self._started.resume_token:
            return Step.END
        # Its server ends it and says so, has begun anew since, or cannot be had while others can.
        gone = is_this_servers_alone(error) or error.reason in _LOST_REASONS or (self._going_on and network)
        elsewhere = network and not self._server_answers and self._servers > 1
        # Before the first snapshot the same seed leads to the same chunks, and where snapshots are to come these are few.
        anew = elsewhere or self._config.snapshot_interval_chunks > 0
        if gone or elsewhere:
            return Step.GO_ON if self._snapshot is not None else Step.START if anew else Step.END
        return Step.RESUME if network else Step.END

    def broke_off(self, error: VideoError, now: float) -> Optional[Opening]:
        """The call is over with `error`. The next one; None: that was the session's end, and end_of() says how."""
        step = self._decide(error)
        if step is Step.END:
            return None
        news = self._give_up_at is None
        if news:
            self._cause = error
            # Behind one address there may be several servers; if there is but one, it will not be back soon.
            drained = self._servers == 1 and is_this_servers_alone(error)
            self._give_up_at = now + (min(self._patience, DRAINED_PATIENCE) if drained else self._patience)
        if now >= self._give_up_at:
            return None
        if step is Step.GO_ON or (step is Step.START and self._started is not None):
            if not self._going_on:
                self.hand_overs += 1
            self._going_on = True
        else:
            self.resumes += 1
        # One that answers is asked again first: it has the session, or what is left of it.
        if step is Step.GO_ON or (step is Step.START and (is_this_servers_alone(error) or not self._server_answers)):
            self.server = (self.server + 1) % self._servers
            self._refused_by += 1
        self._server_answers = False
        self._holding = True
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        return Opening(step, self.server, pause, self.first_message(step), news)

    def end_of(self, error: VideoError) -> VideoError:
        """What a session that ends with `error` is told to end with: what broke it, where nobody could be reached."""
        return self._cause if is_the_networks(error) and self._cause is not None else error

    def cancel_request(self) -> Optional[pb.CancelSessionRequest]:
        """Else the server would keep the session for a while, in case that its client comes back."""
        if not self.resumable or self._started is None or not self._started.resume_token:
            return None
        return pb.CancelSessionRequest(session_id=self._started.session_id, resume_token=self._started.resume_token)
