"""The client for asyncio."""
from __future__ import annotations

import asyncio
from typing import AsyncIterator, Callable, Optional

import grpc

from videodiffcr import requests
from videodiffcr.connections import Connections
from videodiffcr.errors import from_rpc
from videodiffcr.events import Chunk
from videodiffcr.resume import PATIENCE
from videodiffcr.session import Session
from videodiffcr.video import Video, progress_bar


class AsyncStream(Session):
    """As videodiffcr.Stream, with `async for`. Of one event loop."""

    _CLIENT_CLOSED = grpc.aio.UsageError

    def __init__(self, stubs, config, token: Optional[str], on_event: Optional[Callable[[object], None]] = None,
                 patience: float = PATIENCE):
        super().__init__(stubs, config, token, on_event, patience)
        self._cancel_came = asyncio.Event()
        self._farewell: "Optional[asyncio.Task]" = None
        self._open(0, self._course.first_message())

    def _open(self, server: int, first) -> None:
        self._outgoing: "asyncio.Queue" = asyncio.Queue()
        self._write(first)
        self._stub = self._stubs[server]
        self._call = self._stub.StreamVideo(self._requests(self._outgoing),
                                            metadata=requests.metadata(self._token, first.resume.resume_token))

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
        request = self._farewell_request()
        self._cancelled = True
        self._cancel_came.set()
        if request is not None:
            self._farewell = asyncio.ensure_future(self._say_farewell(self._stub, request))
        self._write(None)
        self._call.cancel()

    async def _say_farewell(self, stub, request) -> None:
        try:
            await self._cancel_session(stub, request)
        except (grpc.RpcError, self._CLIENT_CLOSED):
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
        self._go_on(opening, error)

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


class AsyncClient(Connections[AsyncStream]):
    """As videodiffcr.Client."""

    _grpc = grpc.aio
    _stream = AsyncStream

    async def info(self):
        for stub in self._stubs:
            try:
                return await self._ask_info(stub)
            except grpc.RpcError as rpc_error:
                error = self._pass_over(rpc_error)
        raise error from None

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
