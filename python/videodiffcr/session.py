"""What a running session is to its caller, for ordinary code and for asyncio alike."""
from __future__ import annotations

import threading
from typing import Callable, List, Optional

from videodiffcr import requests
from videodiffcr.events import Chunk, Finished, Reader, Started


class Session:
    """Controls, and what the server told beside chunks. Stream and AsyncStream say how messages go out and come in.

    What is no chunk (changes that take effect, warnings) goes to `on_event`, and is kept in `events`.
    """

    MAX_EVENTS = 1000

    def __init__(self, on_event: Optional[Callable[[object], None]]):
        self._reader = Reader()
        self._on_event = on_event
        self._lock = threading.Lock()
        self._updates = 0
        self.events: List[object] = []

    def _put(self, request) -> None:
        """Hands a message to the call, whose stream of messages ends with None. Never waits."""
        raise NotImplementedError

    def _cancel_call(self) -> None:
        raise NotImplementedError

    def _read(self, response) -> Optional[Chunk]:
        """The chunk in a response; what else it holds is told."""
        event = self._reader.read(response)
        if isinstance(event, Chunk):
            return event
        if event is not None:
            self.events.append(event)
            del self.events[:-self.MAX_EVENTS]
            if self._on_event:
                self._on_event(event)
        return None

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

    def cancel(self) -> None:
        """Ends it at once."""
        self._put(None)
        self._cancel_call()
