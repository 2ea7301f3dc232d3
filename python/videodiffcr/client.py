"""The client for ordinary code; videodiffcr.aio has the same for asyncio."""
from __future__ import annotations

import queue
from typing import Callable, Iterator, Optional

import grpc

from videodiffcr import requests
from videodiffcr.errors import from_rpc
from videodiffcr.events import Chunk
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

    What is no chunk (changes that take effect, warnings) goes to `on_event`, and is kept in `events`.
    """

    def __init__(self, stub, config, token: Optional[str], on_event: Optional[Callable[[object], None]] = None):
        super().__init__(on_event)
        self._outgoing: "queue.SimpleQueue" = queue.SimpleQueue()
        self._put(config)
        self._call = stub.StreamVideo(iter(self._outgoing.get, None), metadata=requests.metadata(token))

    def _put(self, request) -> None:
        self._outgoing.put(request)

    def _cancel_call(self) -> None:
        self._call.cancel()

    def __iter__(self) -> Iterator[Chunk]:
        try:
            for response in self._call:
                chunk = self._read(response)
                if chunk is not None:
                    yield chunk
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        finally:
            self.cancel()

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
        self._channel = requests.channel(grpc, address, tls, root_certificates)
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
