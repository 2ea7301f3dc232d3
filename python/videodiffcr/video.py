"""A finished clip: to save, to look at, to take apart."""
from __future__ import annotations

import base64
import html
import io
import os
import stat
import tempfile
from typing import Any, Iterator, Optional, Union

from videodiffcr.events import Finished, Started


def iter_frames(data: bytes) -> Iterator[Any]:
    """The frames of an MP4 as numpy arrays of height x width x 3, 8-bit red, green, blue. Needs `av` and `numpy`."""
    try:
        import av
        import numpy  # noqa: F401  which PyAV looks for only when a frame is asked for
    except ImportError:
        raise ImportError("frames need PyAV and numpy: pip install videodiffcr[frames]") from None
    with av.open(io.BytesIO(data)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def write_whole(file: io.RawIOBase, data: bytes) -> None:
    """Adds all of `data` to an unbuffered file or, on a full disk, nothing of it: what is in the file stays playable."""
    begin = file.tell() if file.seekable() else None
    try:
        while data:
            data = data[file.write(data) or 0:]
    except OSError:
        if begin is not None and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.truncate(begin)
        raise


class Video:
    """A clip as fragmented MP4. A notebook shows it as it is."""

    def __init__(self, data: bytes, prompt: str, started: Optional[Started], finished: Optional[Finished]):
        self.data = data
        self.prompt = prompt
        self.started = started
        self.finished = finished

    @property
    def seed(self) -> Optional[int]:
        return self.started.seed if self.started else None

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """Whole or not at all: a file that was there stays until this one is complete."""
        folder, name = os.path.split(os.path.abspath(path))
        handle, partial = tempfile.mkstemp(prefix=name + ".", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.data)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(partial, 0o666 & ~mask)
            os.replace(partial, path)
        except BaseException:
            os.unlink(partial)
            raise

    def frames(self) -> Iterator[Any]:
        return iter_frames(self.data)

    def _repr_html_(self) -> str:
        text = base64.b64encode(self.data).decode()
        return (f'<video controls loop autoplay muted title="{html.escape(self.prompt, quote=True)}" '
                f'src="data:video/mp4;base64,{text}"></video>')

    def __repr__(self) -> str:
        frames = self.finished.frames if self.finished else "?"
        return f"<Video of {self.prompt!r}: {frames} frames, {len(self.data)} bytes>"


class _NoBar:
    def update(self, _: int) -> None:
        pass

    def __enter__(self) -> "_NoBar":
        return self

    def __exit__(self, *_) -> None:
        pass


def progress_bar(wanted: bool, chunks: int) -> Any:
    """A tqdm of chunks, or something that does nothing."""
    if wanted:
        try:
            from tqdm.auto import tqdm
            return tqdm(total=chunks or None, unit="chunk")
        except ImportError:
            pass
    return _NoBar()
