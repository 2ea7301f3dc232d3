"""The client for asyncio."""
from __future__ import annotations

import asyncio
from typing import AsyncIterator, Callable, Optional

import grpc

from videodiffcr import requests
from videodiffcr.errors import from_rpc
from videodiffcr.events import Chunk
from videodiffcr.session import Session
from videodiffcr.v1 import video_generation_pb2 as pb
from videodiffcr.v1 import video_generation_pb2_grpc as pb_grpc
from videodiffcr.video import Video, progress_bar


class AsyncStream(Session):
    """As videodiffcr.Stream, with `async for`. Of one event loop."""

    def __init__(self, stub, config, token: Optional[str], on_event: Optional[Callable[[object], None]] = None):
        super().__init__(on_event)
        self._outgoing: "asyncio.Queue" = asyncio.Queue()
        self._put(config)
        self._call = stub.StreamVideo(self._requests(), metadata=requests.metadata(token))

    async def _requests(self):
        while True:
            request = await self._outgoing.get()
            if request is None:
                return
            yield request

    def _put(self, request) -> None:
        self._outgoing.put_nowait(request)

    def _cancel_call(self) -> None:
        self._call.cancel()

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        try:
            async for response in self._call:
                chunk = self._read(response)
                if chunk is not None:
                    yield chunk
        except grpc.RpcError as error:
            raise from_rpc(error) from None
        finally:
            self.cancel()

    async def __aenter__(self) -> "AsyncStream":
        return self

    async def __aexit__(self, *_) -> None:
        self.cancel()


class AsyncClient:
    """As videodiffcr.Client."""

    def __init__(self, address: str = "localhost:50051", *, token: Optional[str] = None, tls: bool = False,
                 root_certificates: Optional[bytes] = None):
        self._channel = requests.channel(grpc.aio, address, tls, root_certificates)
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
