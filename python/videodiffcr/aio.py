"""The client for asyncio."""
from __future__ import annotations

import asyncio
from typing import AsyncIterator, Callable, Optional

import grpc

from videodiffcr import requests
from videodiffcr.errors import from_rpc
from videodiffcr.events import Chunk
from videodiffcr.resume import CANCEL_TIMEOUT, PATIENCE, Course
from videodiffcr.session import Session
from videodiffcr.v1 import video_generation_pb2 as pb
from videodiffcr.v1 import video_generation_pb2_grpc as pb_grpc
from videodiffcr.video import Video, progress_bar


class AsyncStream(Session):
    """As videodiffcr.Stream, with `async for`. Of one event loop."""

    def __init__(self, stubs, config, token: Optional[str], on_event: Optional[Callable[[object], None]] = None,
                 patience: float = PATIENCE):
        super().__init__(Course(config, len(stubs), patience), on_event)
        self._stubs = stubs
        self._metadata = requests.metadata(token)
        self._cancel_came = asyncio.Event()
        self._farewell: "Optional[asyncio.Task]" = None
        self._open(0, self._course.first_message())

    def _open(self, server: int, first) -> None:
        self._outgoing: "asyncio.Queue" = asyncio.Queue()
        self._write(first)
        self._stub = self._stubs[server]
        self._call = self._stub.StreamVideo(self._requests(self._outgoing), metadata=self._metadata)

    @staticmethod
    async def _requests(outgoing):
        while True:
            request = await outgoing.get()
            if request is None:
                return
            yield request

    def _write(self, request) -> None:
        self._outgoing.put_nowait(request)

    def cancel(self) -> None:
        """Ends it at once; leaving the stream's `async with` waits until the server has heard of it."""
        request = None if self._over or self._cancelled else self._course.cancel_request()
        self._cancelled = True
        self._cancel_came.set()
        if request is not None:
            self._farewell = asyncio.ensure_future(self._cancel_session(self._stub, request))
        self._write(None)
        self._call.cancel()

    async def _cancel_session(self, stub, request) -> None:
        try:
            await stub.CancelSession(request, timeout=CANCEL_TIMEOUT, metadata=self._metadata)
        except (grpc.RpcError, grpc.aio.UsageError):  # UsageError: the client was closed before
            pass

    async def _leave(self) -> None:
        self.cancel()
        if self._farewell is not None:
            await asyncio.shield(self._farewell)

    async def _open_again(self, error) -> None:
        opening = self._after(error)
        self._write(None)
        try:
            await asyncio.wait_for(self._cancel_came.wait(), opening.pause)
        except asyncio.TimeoutError:
            pass
        if self._cancelled:
            self._after(error)  # raises
        try:
            self._open(opening.server, opening.first)
        except grpc.aio.UsageError:  # the client was closed
            raise error from None

    async def __aiter__(self) -> AsyncIterator[Chunk]:
        try:
            while not self._over:
                try:
                    async for response in self._call:
                        chunk = self._read(response)
                        if chunk is not None:
                            yield chunk
                    self._over = True
                except grpc.RpcError as error:
                    await self._open_again(from_rpc(error))
        finally:
            await self._leave()

    async def __aenter__(self) -> "AsyncStream":
        return self

    async def __aexit__(self, *_) -> None:
        await self._leave()


class AsyncClient:
    """As videodiffcr.Client."""

    def __init__(self, address: str = "localhost:50051", *, token: Optional[str] = None, tls: bool = False,
                 root_certificates: Optional[bytes] = None):
        self._channels = requests.channels(grpc.aio, address, tls, root_certificates)
        self._stubs = [pb_grpc.VideoGenerationServiceStub(channel) for channel in self._channels]
        self._token = token

    async def info(self):
        for stub in self._stubs:
            try:
                return await stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=requests.INFO_TIMEOUT,
                                                metadata=requests.metadata(self._token))
            except grpc.RpcError as rpc_error:
                error = from_rpc(rpc_error)
                if error.code != "UNAVAILABLE":
                    break
        raise error from None

    def stream(self, prompt: str, *, on_event: Optional[Callable[[object], None]] = None, resume: bool = True,
               patience: float = PATIENCE, **options) -> AsyncStream:
        return AsyncStream(self._stubs, requests.config(prompt, **options), self._token, on_event,
                           requests.patience(resume, patience))

    async def generate(self, prompt: str, *, chunks: int = 8, progress: bool = False, **options) -> Video:
        async with self.stream(prompt, chunks=chunks, **options) as stream:
            parts = []
            with progress_bar(progress, chunks) as bar:
                async for chunk in stream:
                    parts.append(chunk.data)
                    bar.update(1)
            return Video(b"".join(parts), prompt, stream.started, stream.finished)

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_) -> None:
        await self.close()
