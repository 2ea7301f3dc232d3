"""What a running session is to its caller, for ordinary code and for asyncio alike."""
from __future__ import annotations

import threading
import time
from typing import Callable, List, Optional

from videodiffcr import requests
from videodiffcr.errors import VideoError
from videodiffcr.events import Chunk, Finished, Interrupted, Reader, Started
from videodiffcr.resume import CANCEL_TIMEOUT, Course, Opening


class Session:
    """Controls, and what the server told beside chunks. Stream and AsyncStream say how messages go out and come in.

    What is no chunk (changes that take effect, warnings) goes to `on_event`, and is kept in `events`.
    """

    MAX_EVENTS = 1000

    # What gRPC raises for a call on a client that was closed.
    _CLIENT_CLOSED: type = ValueError

    def __init__(self, stubs, config, token: Optional[str], on_event: Optional[Callable[[object], None]],
                 patience: float):
        self._course = Course(config, len(stubs), patience)
        self._stubs = stubs
        self._token = token
        self._reader = Reader()
        self._on_event = on_event
        self._lock = threading.RLock()
        self._updates = 0
        self._over = False  # its server knows
        self._cancelled = False
        self.events: List[object] = []

    def _open(self, server: int, first) -> None:
        """Opens the call that begins with a message. Never waits."""
        raise NotImplementedError

    def _write(self, request) -> None:
        """Hands a message to the call in progress, whose stream of messages ends with None. Never waits."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Ends it at once."""
        raise NotImplementedError

    def _put(self, request) -> None:
        with self._lock:
            if self._course.control(request):
                self._write(request)

    def _read(self, response) -> Optional[Chunk]:
        """The chunk in a response; what else it holds is told."""
        with self._lock:  # what is sent again goes out before what is sent next
            wanted, lost = self._course.take(response)
            for request in lost:
                self._write(request)
        if not wanted:
            if response.HasField("started"):
                self._reader.read(response)
            return None
        event = self._reader.read(response)
        if isinstance(event, Chunk):
            with self._lock:
                acknowledgement = self._course.received(event.sequence, time.monotonic())
                if acknowledgement is not None:
                    self._write(acknowledgement)
            return event
        if event is not None:
            self._tell(event)
        return None

    def _tell(self, event) -> None:
        self.events.append(event)
        del self.events[:-self.MAX_EVENTS]
        if self._on_event:
            self._on_event(event)

    def _after(self, error: VideoError) -> Opening:
        """The call that comes behind one that ended with `error`; raises the session's end if there is none."""
        with self._lock:
            if self._cancelled:
                raise VideoError("CANCELLED", "the session was cancelled") from None
            opening = self._course.broke_off(error, time.monotonic())
            if opening is None:
                self._over = True
                raise self._course.end_of(error) from None
        if opening.news:
            self._tell(Interrupted(error))
        return opening

    def _go_on(self, opening: Opening, error: VideoError) -> None:
        """Opens that call once its pause is over, or raises the session's end if it has been cancelled meanwhile."""
        if self._cancelled:
            self._after(error)
        try:
            self._open(opening.server, opening.first)
        except self._CLIENT_CLOSED:
            raise error from None

    def _farewell_request(self):
        """What tells the server that the session is cancelled; None where it knows or need not know."""
        return None if self._over or self._cancelled else self._course.cancel_request()

    def _cancel_session(self, stub, request):
        return stub.CancelSession(request, timeout=CANCEL_TIMEOUT,
                                  metadata=requests.metadata(self._token, request.resume_token))

    def _change(self, make, value) -> int:
        with self._lock:  # changes go out in the order of their numbers
            self._updates += 1
            self._put(make(value, self._updates))
            return self._updates

    @property
    def started(self) -> Optional[Started]:
        """How the session began; None before the first chunk."""
        return self._reader.started

    @property
    def finished(self) -> Optional[Finished]:
        """Totals, once all chunks have come."""
        return self._reader.finished

    def set_prompt(self, prompt: str) -> int:
        """A new prompt from the next chunk on; an Applied event with the number that this returns says which."""
        return self._change(requests.prompt_change, prompt)

    def set_budget(self, budget: float) -> int:
        """A new retention budget, in the same way."""
        return self._change(requests.budget_change, budget)

    def scene_cut(self, prompt: Optional[str] = None) -> int:
        """A new scene that looks back at nothing, in the same way."""
        return self._change(requests.scene_cut, prompt)

    def pause(self) -> None:
        self._put(requests.PAUSE)

    def unpause(self) -> None:
        self._put(requests.UNPAUSE)

    def finish(self) -> None:
        """Ends the session after the chunk in progress."""
        self._put(requests.FINISH)

    @property
    def resumes(self) -> int:
        """How many times a call that broke off was followed by another."""
        return self._course.resumes

    @property
    def hand_overs(self) -> int:
        """How many times another server, or the same one anew, has gone on with the session."""
        return self._course.hand_overs
