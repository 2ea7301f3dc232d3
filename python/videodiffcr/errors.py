"""The server's refusals as exceptions."""
from __future__ import annotations

from typing import Dict, Iterator, Optional, Tuple

import grpc


class VideoError(Exception):
    """A call that ended otherwise than asked.

    code      name of the gRPC code: "INVALID_ARGUMENT", "UNAVAILABLE", ...
    reason    of docs/errors.md: "PROMPT_EMPTY", "SERVER_FULL", ...; empty when the server gave none
    field     what was wrong, when it was a field
    retry_after  seconds after which the same may go well; None when the server did not say
    """

    def __init__(self, code: str, message: str, reason: str = "", field: str = "",
                 metadata: Optional[Dict[str, str]] = None, retry_after: Optional[float] = None):
        super().__init__(f"{code}: {message}" + (f" ({reason})" if reason else ""))
        self.code = code
        self.message = message
        self.reason = reason
        self.field = field
        self.metadata = metadata or {}
        self.retry_after = retry_after


def _varint(data: bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at
        if shift > 63:
            raise ValueError("a varint is too long")


def _fields(data: bytes) -> Iterator[Tuple[int, object]]:
    """Numbers and values of a message's fields, as they lie on the wire."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            value, at = data[at:at + size], at + size
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = data[at:at + size], at + size
        else:
            raise ValueError("an unknown wire type")
        yield key >> 3, value


def _read_details(error: VideoError, data: bytes) -> None:
    # google.rpc.Status and its details, read by hand: their Python package would be one dependency for three messages,
    # and clash with another version of itself.
    for number, any_bytes in _fields(data):
        if number != 3:
            continue
        detail = dict(_fields(any_bytes))
        name = detail.get(1, b"").rpartition(b"/")[2]
        value = detail.get(2, b"")
        if name == b"google.rpc.ErrorInfo":
            for field, content in _fields(value):
                if field == 1:
                    error.reason = content.decode("utf-8", "replace")
                elif field == 3:
                    pair = dict(_fields(content))
                    error.metadata[pair.get(1, b"").decode("utf-8", "replace")] = pair.get(2, b"").decode("utf-8", "replace")
        elif name == b"google.rpc.RetryInfo":
            duration = dict(_fields(dict(_fields(value)).get(1, b"")))
            error.retry_after = duration.get(1, 0) + duration.get(2, 0) * 1e-9
        elif name == b"google.rpc.BadRequest":
            violation = dict(_fields(dict(_fields(value)).get(1, b"")))
            error.field = violation.get(1, b"").decode("utf-8", "replace")


def from_rpc(error: grpc.RpcError) -> VideoError:
    """An exception of ours for one of gRPC's."""
    code, details, trailers = error.code(), error.details() or "", error.trailing_metadata() or ()
    result = VideoError(code.name, details)
    for key, value in trailers:
        if key == "grpc-status-details-bin":
            try:
                _read_details(result, value)
            except (IndexError, ValueError, AttributeError, TypeError):
                pass  # details that cannot be read are none
    return VideoError(result.code, details, result.reason, result.field, result.metadata, result.retry_after)
