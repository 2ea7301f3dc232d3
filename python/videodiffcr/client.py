"""The client for ordinary code; videodiffcr.aio has the same for asyncio."""
from __future__ import annotations

import queue
import threading
from typing import Callable, Iterator, List, Optional

import grpc

from videodiffcr import requests
from videodiffcr.errors import from_rpc
from videodiffcr.events import Chunk, Finished, Reader, Started
from videodiffcr.v1 import video_generation_pb2 as pb
from videodiffcr.v1 import video_generation_pb2_grpc as pb_grpc
from videodiffcr.video import Video, progress_bar


class Stream:
    """One running session: iterate over it for its chunks. Controls may come from any thread.

        with client.stream("a red circle moves right") as stream:
            for chunk in stream:
                if chunk.sequence == 3:
                    stream.set_prompt("a green star moves left")

    What is no chunk (changes that take effect, warnings) goes to `on_event`, and is kept in `events`.
    """

    MAX_EVENTS = 1000

    def __init__(self, stub, config, token: Optional[str], on_event: Optional[Callable[[object], None]] = None):
        self._outgoing: "queue.SimpleQueue" = queue.SimpleQueue()
        self._outgoing.put(config)
        self._reader = Reader()
        self._on_event = on_event
        self._lock = threading.Lock()
        self._updates = 0
        self.events: List[object] = []
        self._call = stub.StreamVideo(iter(self._outgoing.get, None), metadata=requests.metadata(token))

    @property
    def started(self) -> Optional[Started]:
        """How the session began; None before the first chunk."""
        return self._reader.started

    @property
    def finished(self) -> Optional[Finished]:
        """Totals, once all chunks have come."""
        return self._reader.finished

    def __iter__(self) -> Iterator[Chunk]:
        try:
            for response in self._call:
                event = self._reader.read(response)
                if isinstance(event, Chunk):
                    yield event
                elif event is not None:
                    self._tell(event)
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        finally:
            self.cancel()

    def _tell(self, event: object) -> None:
        self.events.append(event)
        del self.events[:-self.MAX_EVENTS]
        if self._on_event:
            self._on_event(event)

    def _update_id(self) -> int:
        with self._lock:
            self._updates += 1
            return self._updates

    def set_prompt(self, prompt: str) -> int:
        """A new prompt from the next chunk on; an Applied event with the number that this returns says which."""
        number = self._update_id()
        self._outgoing.put(requests.prompt_change(prompt, number))
        return number

    def set_budget(self, budget: float) -> int:
        """A new retention budget, in the same way."""
        number = self._update_id()
        self._outgoing.put(requests.budget_change(budget, number))
        return number

    def scene_cut(self, prompt: Optional[str] = None) -> int:
        """A new scene that looks back at nothing, in the same way."""
        number = self._update_id()
        self._outgoing.put(requests.scene_cut(prompt, number))
        return number

    def pause(self) -> None:
        self._outgoing.put(requests.PAUSE)

    def unpause(self) -> None:
        self._outgoing.put(requests.UNPAUSE)

    def finish(self) -> None:
        """Ends the session after the chunk in progress."""
        self._outgoing.put(requests.FINISH)

    def cancel(self) -> None:
        """Ends it at once."""
        self._outgoing.put(None)
        self._call.cancel()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_) -> None:
        self.cancel()


class Client:
    """A connection to one server. Thread-safe.

    token               sent as "authorization: Bearer ..."
    tls                 whether to speak TLS; root_certificates (PEM) implies it
    """

    def __init__(self, address: str = "localhost:50051", *, token: Optional[str] = None, tls: bool = False,
                 root_certificates: Optional[bytes] = None):
        credentials = requests.credentials(tls, root_certificates)
        self._channel = (grpc.secure_channel(address, credentials, options=requests.OPTIONS) if credentials else
                         grpc.insecure_channel(address, options=requests.OPTIONS))
        self._stub = pb_grpc.VideoGenerationServiceStub(self._channel)
        self._token = token

    def info(self):
        """GetServerInfoResponse: the model, its words and budgets, the limits."""
        try:
            return self._stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=requests.INFO_TIMEOUT,
                                            metadata=requests.metadata(self._token))
        except grpc.RpcError as error:
            raise from_rpc(error) from None

    def stream(self, prompt: str, *, on_event: Optional[Callable[[object], None]] = None, **options) -> Stream:
        """Starts a session; `options` are those of videodiffcr.requests.config: chunks, seed, budget, floor, ..."""
        return Stream(self._stub, requests.config(prompt, **options), self._token, on_event)

    def generate(self, prompt: str, *, chunks: int = 8, progress: bool = False, **options) -> Video:
        """A whole clip. `progress` shows a bar where tqdm is installed."""
        with self.stream(prompt, chunks=chunks, **options) as stream, progress_bar(progress, chunks) as bar:
            parts = []
            for chunk in stream:
                parts.append(chunk.data)
                bar.update(1)
            return Video(b"".join(parts), prompt, stream.started, stream.finished)

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.close()
