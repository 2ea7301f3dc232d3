"""The client for ordinary code; videodiffcr.aio has the same for asyncio."""
from __future__ import annotations

import queue
import threading
from typing import Callable, Iterator, Optional

import grpc

from videodiffcr import requests
from videodiffcr.connections import Connections
from videodiffcr.errors import from_rpc
from videodiffcr.events import Chunk
from videodiffcr.resume import PATIENCE
from videodiffcr.session import Session
from videodiffcr.video import Video, progress_bar


class Stream(Session):
    """One running session: iterate over it for its chunks. Controls may come from any thread.

        with client.stream("a red circle moves right") as stream:
            for chunk in stream:
                if chunk.sequence == 3:
                    stream.set_prompt("a green star moves left")

    What is no chunk (changes that take effect, warnings) goes to `on_event`, and is kept in `events`. Calls that break
    off are resumed, and lost servers followed by others, without a trace among the chunks.
    """

    def __init__(self, stubs, config, token: Optional[str], on_event: Optional[Callable[[object], None]] = None,
                 patience: float = PATIENCE):
        super().__init__(stubs, config, token, on_event, patience)
        self._cancel_came = threading.Event()
        self._open(0, self._course.first_message())

    def _open(self, server: int, first) -> None:
        outgoing: "queue.SimpleQueue" = queue.SimpleQueue()
        outgoing.put(first)
        with self._lock:
            self._outgoing = outgoing
            self._stub = self._stubs[server]
            self._call = self._stub.StreamVideo(iter(outgoing.get, None),
                                                metadata=requests.metadata(self._token, first.resume.resume_token))
            if self._cancelled:
                outgoing.put(None)
                self._call.cancel()

    def _write(self, request) -> None:
        self._outgoing.put(request)

    def cancel(self) -> None:
        """Ends it at once."""
        with self._lock:
            request = self._farewell_request()
            self._cancelled = True
            outgoing, stub, call = self._outgoing, self._stub, self._call
        self._cancel_came.set()
        if request is not None:
            try:
                self._cancel_session(stub, request)
            except (grpc.RpcError, self._CLIENT_CLOSED):
                pass
        outgoing.put(None)
        call.cancel()

    def _open_again(self, error) -> None:
        opening = self._after(error)
        self._write(None)  # the thread that sends for the call before ends
        self._cancel_came.wait(opening.pause)
        self._go_on(opening, error)

    def __iter__(self) -> Iterator[Chunk]:
        try:
            while not self._over:
                try:
                    for response in self._call:
                        chunk = self._read(response)
                        if chunk is not None:
                            yield chunk
                    self._over = True
                except grpc.RpcError as error:
                    self._open_again(from_rpc(error))
        finally:
            self.cancel()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_) -> None:
        self.cancel()


class Client(Connections[Stream]):
    """Connections to one server, or to several of the same model. Thread-safe.

    address             "host:port"; of several, "host:port,host:port", the first is used until it is full or gone
    token               sent as "authorization: Bearer ..."
    tls                 whether to speak TLS; what follows implies it
    root_certificates   the authorities to believe, PEM; None: those of gRPC
    private_key, certificate_chain
                        the client's own certificate, PEM, where servers want one
    """

    _grpc = grpc
    _stream = Stream

    def info(self):
        """GetServerInfoResponse of the first server that answers: the model, its words and budgets, the limits."""
        for stub in self._stubs:
            try:
                return self._ask_info(stub)
            except grpc.RpcError as rpc_error:
                error = self._pass_over(rpc_error)
        raise error from None

    def generate(self, prompt: str, *, chunks: int = 8, progress: bool = False, **options) -> Video:
        """A whole clip. `progress` shows a bar where tqdm is installed."""
        with self.stream(prompt, chunks=chunks, **options) as stream, progress_bar(progress, chunks) as bar:
            parts = []
            for chunk in stream:
                parts.append(chunk.data)
                bar.update(1)
            return Video(b"".join(parts), prompt, stream.started, stream.finished)

    def close(self) -> None:
        for channel in self._channels:
            channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.close()
