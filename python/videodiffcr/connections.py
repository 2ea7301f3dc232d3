"""What Client and AsyncClient share: all but how they wait."""
from __future__ import annotations

from typing import Callable, Generic, Optional, TypeVar

from videodiffcr import requests
from videodiffcr.errors import VideoError, from_rpc
from videodiffcr.resume import PATIENCE
from videodiffcr.v1 import video_generation_pb2 as pb
from videodiffcr.v1 import video_generation_pb2_grpc as pb_grpc

AnyStream = TypeVar("AnyStream")


class Connections(Generic[AnyStream]):
    """To one server or to several, as Client says."""

    # What makes channels, grpc or grpc.aio, and what runs sessions on them.
    _grpc: object
    _stream: Callable[..., AnyStream]

    def __init__(self, address: str = "localhost:50051", *, token: Optional[str] = None, tls: bool = False,
                 root_certificates: Optional[bytes] = None, private_key: Optional[bytes] = None,
                 certificate_chain: Optional[bytes] = None):
        credentials = requests.credentials(tls, root_certificates, private_key, certificate_chain)
        self._channels = requests.channels(self._grpc, address, credentials)
        self._stubs = [pb_grpc.VideoGenerationServiceStub(channel) for channel in self._channels]
        self._token = token

    def _ask_info(self, stub):
        return stub.GetServerInfo(pb.GetServerInfoRequest(), timeout=requests.INFO_TIMEOUT,
                                  metadata=requests.metadata(self._token))

    @staticmethod
    def _pass_over(rpc_error) -> VideoError:
        """Why a server is passed over for the next; raises what another would say as well."""
        error = from_rpc(rpc_error)
        if error.code != "UNAVAILABLE":
            raise error from None
        return error

    def stream(self, prompt: str, *, on_event: Optional[Callable[[object], None]] = None, resume: bool = True,
               patience: float = PATIENCE, **options) -> AnyStream:
        """Starts a session; `options` are those of videodiffcr.requests.config: chunks, seed, budget, floor, ...

        patience  seconds that a session is asked for again after its call broke off; with resume=False it ends with
                  its call
        """
        return self._stream(self._stubs, requests.config(prompt, **options), self._token, on_event,
                            requests.patience(resume, patience))
