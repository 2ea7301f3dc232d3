"""The client for asyncio."""
from __future__ import annotations

import asyncio
from typing import AsyncIterator, Callable, List, Optional

import grpc

from videodiffcr import requests
from videodiffcr.errors import from_rpc
from videodiffcr.events import Chunk, Finished, Reader, Started
from videodiffcr.v1 import video_generation_pb2 as pb
from videodiffcr.v1 import video_generation_pb2_grpc as pb_grpc
from videodiffcr.video import Video, progress_bar


class AsyncStream:
    """As videodiffcr.Stream, with `async for`. Of one event loop."""

    MAX_EVENTS = 1000

    def __init__(self, stub, config, token: Optional[str], on_event: Optional[Callable[[object], None]] = None):
        self._outgoing: "asyncio.Queue" = asyncio.Queue()
        self._outgoing.put_nowait(config)
        self._reader = Reader()
        self._on_event = on_event
        self._updates = 0
        self.events: List[object] = []
        self._call = stub.StreamVideo(self._requests(), metadata=requests.metadata(token))

    async def _requests(self):
        while True:
            request = await self._outgoing.get()
            if request is None:
                return
            yield request

    @property
    def started(self) -> Optional[Started]:
        return self._reader.started

    @property
    def finished(self) -> Optional[Finished]:
        return self._reader.finished

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        try:
            async for response in self._call:
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

    def _send_change(self, make, value) -> int:
        self._updates += 1
        self._outgoing.put_nowait(make(value, self._updates))
        return self._updates

    def set_prompt(self, prompt: str) -> int:
        return self._send_change(requests.prompt_change, prompt)

    def set_budget(self, budget: float) -> int:
        return self._send_change(requests.budget_change, budget)

    def scene_cut(self, prompt: Optional[str] = None) -> int:
        return self._send_change(requests.scene_cut, prompt)

    def pause(self) -> None:
        self._outgoing.put_nowait(requests.PAUSE)

    def unpause(self) -> None:
        self._outgoing.put_nowait(requests.UNPAUSE)

    def finish(self) -> None:
        self._outgoing.put_nowait(requests.FINISH)

    def cancel(self) -> None:
        self._outgoing.put_nowait(None)
        self._call.cancel()

    async def __aenter__(self) -> "AsyncStream":
        return self

    async def __aexit__(self, *_) -> None:
        self.cancel()


class AsyncClient:
    """As videodiffcr.Client."""

    def __init__(self, address: str = "localhost:50051", *, token: Optional[str] = None, tls: bool = False,
                 root_certificates: Optional[bytes] = None):
        credentials = requests.credentials(tls, root_certificates)
        self._channel = (grpc.aio.secure_channel(address, credentials, options=requests.OPTIONS) if credentials else
                         grpc.aio.insecure_channel(address, options=requests.OPTIONS))
        self._stub = pb_grpc.VideoGenerationServiceStub(self._channel)
        self._token = token

    async def info(self):
        try:
            return await self._stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=requests.INFO_TIMEOUT,
                                                  metadata=requests.metadata(self._token))
        except grpc.RpcError as error:
            raise from_rpc(error) from None

    def stream(self, prompt: str, *, on_event: Optional[Callable[[object], None]] = None, **options) -> AsyncStream:
        return AsyncStream(self._stub, requests.config(prompt, **options), self._token, on_event)

    async def generate(self, prompt: str, *, chunks: int = 8, progress: bool = False, **options) -> Video:
        async with self.stream(prompt, chunks=chunks, **options) as stream:
            parts = []
            with progress_bar(progress, chunks) as bar:
                async for chunk in stream:
                    parts.append(chunk.data)
                    bar.update(1)
            return Video(b"".join(parts), prompt, stream.started, stream.finished)

    async def close(self) -> None:
        await self._channel.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_) -> None:
        await self.close()
