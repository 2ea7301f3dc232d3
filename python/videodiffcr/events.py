"""What a stream tells, as plain data."""
from __future__ import annotations

import dataclasses
from typing import List, Optional

from videodiffcr.errors import VideoError
from videodiffcr.v1 import video_generation_pb2 as pb


@dataclasses.dataclass(frozen=True)
class Started:
    """The session was admitted."""
    session_id: str
    model: str
    seed: int  # the one in use
    width: int
    height: int
    frames_per_second: int
    length_chunks: int  # 0: until it is finished


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some frames of video. `data` of all chunks, one behind the other, is a file that plays as it grows."""
    sequence: int
    first_frame: int
    frame_count: int
    start: float  # seconds of playing time, as the next
    duration: float
    data: bytes  # the init segment, where there is a new one, and the fragment
    nominal_retention: float
    executed_retention: float
    seconds: float  # that it took
    slack: Optional[float]  # playing time in hand when it left the server; None without playout
    scene_start: bool
    executed_cache: float = 1.0  # keys of earlier chunks that it saw, over all there were; 0: the server does not say


@dataclasses.dataclass(frozen=True)
class FirstFragment:
    """The first frames, ahead of the first chunk: its `data` begins with this `data`, so of it write what is behind."""
    frame_count: int
    data: bytes  # the init segment and a fragment


@dataclasses.dataclass(frozen=True)
class Applied:
    """A change shows from this chunk on."""
    update_id: int
    first_chunk: int


@dataclasses.dataclass(frozen=True)
class BudgetChange:
    first_chunk: int
    budget: float
    by_server: bool
    reason: str


@dataclasses.dataclass(frozen=True)
class ServerWarning:
    reason: str
    message: str
    details: List[str]


@dataclasses.dataclass(frozen=True)
class Interrupted:
    """The call broke off, and the session is being asked for again: nothing is lost, but it may take a while."""
    error: VideoError


@dataclasses.dataclass(frozen=True)
class Finished:
    chunks: int
    frames: int
    payload_bytes: int
    seconds_to_first_chunk: float
    nominal_retention: float
    executed_retention: float
    reason: str
    executed_cache: float = 1.0  # mean over chunks


def _seconds(duration) -> float:
    return duration.seconds + duration.nanos * 1e-9


_TABLE: List[int] = []


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), a byte at a time: 20 MB/s or so, and a chunk has 20 KB."""
    if not _TABLE:
        for byte in range(256):
            for _ in range(8):
                byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
            _TABLE.append(byte)
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


class Reader:
    """Takes a server's responses to events, and holds the server to its numbers and checksums."""

    def __init__(self) -> None:
        self.started: Optional[Started] = None
        self.finished: Optional[Finished] = None
        self.next_sequence = 0
        self._early = b""  # what chunk 0 must begin with

    def read(self, response) -> Optional[object]:
        """The event; None for what this version does not know. VideoError DATA_LOSS for a gap or a damaged chunk, or one
        that is not what its first fragment said."""
        kind = response.WhichOneof("response")
        convert = getattr(self, "_" + kind, None) if kind else None
        return convert(getattr(response, kind)) if convert else None

    def _started(self, message) -> Started:
        self.started = Started(message.session_id, message.model, message.seed, message.width, message.height,
                               message.frames_per_second, message.length_chunks)
        return self.started

    def _first_fragment(self, message) -> FirstFragment:
        if crc32c(message.payload) != message.payload_crc32c:
            raise VideoError("DATA_LOSS", "the first fragment is damaged: its checksum is another")
        self._early = message.init_segment + message.payload
        return FirstFragment(message.frame_count, self._early)

    def _chunk(self, message) -> Chunk:
        if message.sequence != self.next_sequence:
            raise VideoError("DATA_LOSS", f"chunk {message.sequence} arrived where chunk {self.next_sequence} was due")
        if crc32c(message.payload) != message.payload_crc32c:
            raise VideoError("DATA_LOSS", f"chunk {message.sequence} is damaged: its checksum is another")
        data = message.init_segment + message.payload
        if not data.startswith(self._early):
            raise VideoError("DATA_LOSS", "chunk 0 does not begin with the first fragment, which came ahead of it")
        self._early = b""
        self.next_sequence += 1
        slack = _seconds(message.slack) if message.HasField("slack") else None
        return Chunk(message.sequence, message.first_frame, message.frame_count, _seconds(message.presentation_start),
                     _seconds(message.presentation_duration), data,
                     message.retention.nominal, message.retention.executed, _seconds(message.timings.total), slack,
                     message.scene_start, message.retention.executed_cache)

    def _update_applied(self, message) -> Applied:
        return Applied(message.update_id, message.first_chunk)

    def _budget_changed(self, message) -> BudgetChange:
        return BudgetChange(message.first_chunk, message.retention_target, message.origin == pb.BUDGET_ORIGIN_SERVER,
                            message.reason)

    def _warning(self, message) -> ServerWarning:
        return ServerWarning(message.reason, message.message, list(message.details))

    def _finished(self, message) -> Finished:
        self.finished = Finished(message.chunks, message.frames, message.payload_bytes,
                                 _seconds(message.time_to_first_chunk), message.retention.nominal,
                                 message.retention.executed, message.reason, message.retention.executed_cache)
        return self.finished
