"""The client for ordinary code; videodiffcr.aio has the same for asyncio."""
from __future__ import annotations

import queue
import threading
from typing import Callable, Iterator, Optional

import grpc

from videodiffcr import requests
from videodiffcr.errors import from_rpc
from videodiffcr.events import Chunk
from videodiffcr.resume import CANCEL_TIMEOUT, PATIENCE, Course
from videodiffcr.session import Session
from videodiffcr.v1 import video_generation_pb2 as pb
from videodiffcr.v1 import video_generation_pb2_grpc as pb_grpc
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
        super().__init__(Course(config, len(stubs), patience), on_event)
        self._stubs = stubs
        self._metadata = requests.metadata(token)
        self._cancel_came = threading.Event()
        self._open(0, self._course.first_message())

    def _open(self, server: int, first) -> None:
        outgoing: "queue.SimpleQueue" = queue.SimpleQueue()
        outgoing.put(first)
        with self._lock:
            self._outgoing = outgoing
            self._stub = self._stubs[server]
            self._call = self._stub.StreamVideo(iter(outgoing.get, None), metadata=self._metadata)
            if self._cancelled:
                outgoing.put(None)
                self._call.cancel()

    def _write(self, request) -> None:
        self._outgoing.put(request)

    def cancel(self) -> None:
        """Ends it at once."""
        with self._lock:
            request = None if self._over or self._cancelled else self._course.cancel_request()
            self._cancelled = True
            outgoing, stub, call = self._outgoing, self._stub, self._call
        self._cancel_came.set()
        if request is not None:
            try:
                stub.CancelSession(request, timeout=CANCEL_TIMEOUT, metadata=self._metadata)
            except (grpc.RpcError, ValueError):  # ValueError: the client was closed before
                pass
        outgoing.put(None)
        call.cancel()

    def _open_again(self, error) -> None:
        opening = self._after(error)
        self._outgoing.put(None)  # the thread that sends for the call before ends
        if self._cancel_came.wait(opening.pause):
            self._after(error)  # raises
        try:
            self._open(opening.server, opening.first)
        except ValueError:  # the client was closed
            raise error from None

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


class Client:
    """Connections to one server, or to several of the same model. Thread-safe.

    address             "host:port"; of several, "host:port,host:port", the first is used until it is full or gone
    token               sent as "authorization: Bearer ..."
    tls                 whether to speak TLS; root_certificates (PEM) implies it
    """

    def __init__(self, address: str = "localhost:50051", *, token: Optional[str] = None, tls: bool = False,
                 root_certificates: Optional[bytes] = None):
        self._channels = requests.channels(grpc, address, tls, root_certificates)
        self._stubs = [pb_grpc.VideoGenerationServiceStub(channel) for channel in self._channels]
        self._token = token

    def info(self):
        """GetServerInfoResponse of the first server that answers: the model, its words and budgets, the limits."""
        for stub in self._stubs:
            try:
                return stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=requests.INFO_TIMEOUT,
                                          metadata=requests.metadata(self._token))
            except grpc.RpcError as rpc_error:
                error = from_rpc(rpc_error)
                if error.code != "UNAVAILABLE":
                    break
        raise error from None

    def stream(self, prompt: str, *, on_event: Optional[Callable[[object], None]] = None, resume: bool = True,
               patience: float = PATIENCE, **options) -> Stream:
        """Starts a session; `options` are those of videodiffcr.requests.config: chunks, seed, budget, floor, ...

        patience  seconds that a session is asked for again after its call broke off; with resume=False it ends with
                  its call
        """
        return Stream(self._stubs, requests.config(prompt, **options), self._token, on_event,
                      requests.patience(resume, patience))

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
