"""What goes to the server: built once, for both clients."""
from __future__ import annotations

from typing import List, Optional, Tuple

import grpc

from videodiffcr.v1 import video_generation_pb2 as pb

OPTIONS = [
    ("grpc.max_receive_message_length", 64 << 20),  # a chunk of raw frames
    ("grpc.compression_enabled_algorithms_bitset", 1),  # none: unpacked, a message could fill the memory
    ("grpc.enable_http_proxy", 0),  # a proxy from the environment is meant for web pages
    # A server that is frozen or cut off closes nothing; only a ping that stays unanswered tells.
    ("grpc.keepalive_time_ms", 15000),
    ("grpc.keepalive_timeout_ms", 15000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_reconnect_backoff_ms", 2000),
]

INFO_TIMEOUT = 10.0


def metadata(token: Optional[str], session_token: str = "") -> List[Tuple[str, str]]:
    """What goes along with a call. `session_token` leads it to the server that made that, through a proxy in front of
    many: what stands before the first of its two dots. A token with one dot is of a server that is reached as it is."""
    pairs = [("authorization", f"Bearer {token}")] if token else []
    parts = session_token.split(".")
    return pairs + ([("videodiffcr-server", parts[0])] if len(parts) == 3 else [])


def config(prompt: str, *, chunks: int = 0, seed: int = 0, budget: float = 1.0, floor: Optional[float] = None,
           width: int = 0, height: int = 0, start_buffer: Optional[float] = None, run_ahead_chunks: int = 0,
           rate_factor: int = 0, batch: bool = False, request_id: str = "", snapshot_interval_chunks: int = 0,
           first_fragment_frames: int = 0):
    """A SessionConfig. `start_buffer` in seconds makes deadlines; `batch`: nobody is waiting; `first_fragment_frames` come
    as a FirstFragment event ahead of the first chunk."""
    result = pb.SessionConfig(prompt=prompt, length_chunks=chunks, seed=seed, width=width, height=height,
                              run_ahead_limit_chunks=run_ahead_chunks, request_id=request_id,
                              snapshot_interval_chunks=snapshot_interval_chunks)
    result.retention.target = budget
    if floor is not None:
        result.retention.floor = floor
    if rate_factor:
        result.output.rate_factor = rate_factor
    if first_fragment_frames:
        result.output.first_fragment_frames = first_fragment_frames
    if start_buffer is not None:
        result.playout.start_buffer.FromNanoseconds(int(start_buffer * 1e9))
    if batch:
        result.priority = pb.PRIORITY_BATCH
    return pb.StreamVideoRequest(config=result)


def prompt_change(prompt: str, update_id: int):
    return pb.StreamVideoRequest(update=pb.SessionUpdate(prompt=prompt, update_id=update_id))


def budget_change(budget: float, update_id: int):
    return pb.StreamVideoRequest(update=pb.SessionUpdate(retention_target=budget, update_id=update_id))


def scene_cut(prompt: Optional[str], update_id: int):
    return pb.StreamVideoRequest(scene_cut=pb.SceneCutRequest(prompt=prompt, update_id=update_id))


PAUSE = pb.StreamVideoRequest(pause=pb.PauseRequest())
UNPAUSE = pb.StreamVideoRequest(unpause=pb.UnpauseRequest())
FINISH = pb.StreamVideoRequest(finish=pb.FinishRequest())


def channels(kind, addresses: str, credentials: Optional[grpc.ChannelCredentials]):
    """A channel of `kind`, which is grpc or grpc.aio, to each of the addresses, which commas separate."""
    parts = [part.strip() for part in addresses.split(",")]
    if not all(parts):
        raise ValueError(f"address: {addresses!r} has an empty address; host:port[,host:port...] is wanted")
    if credentials is None:
        return [kind.insecure_channel(part, options=OPTIONS) for part in parts]
    return [kind.secure_channel(part, credentials, options=OPTIONS) for part in parts]


def patience(resume: bool, seconds: float) -> float:
    """How long to ask for a session again; 0: it ends with its call."""
    if not seconds >= 0:
        raise ValueError(f"patience: {seconds} is no number of seconds from 0 on")
    return seconds if resume else 0.0


def credentials(tls: bool, root_certificates: Optional[bytes], private_key: Optional[bytes],
                certificate_chain: Optional[bytes]) -> Optional[grpc.ChannelCredentials]:
    """Whom to believe and who we are, in PEM form; None: no TLS."""
    files = {"root_certificates": root_certificates, "private_key": private_key, "certificate_chain": certificate_chain}
    for name, pem in files.items():
        if pem == b"":  # of a file that is not written yet; gRPC would take its own, or none
            raise ValueError(f"{name}: holds nothing")
    if (private_key is None) != (certificate_chain is None):
        raise ValueError("private_key and certificate_chain: one of them is there without the other")
    if not tls and all(pem is None for pem in files.values()):
        return None
    return grpc.ssl_channel_credentials(root_certificates, private_key, certificate_chain)
