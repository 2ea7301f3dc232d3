"""Viewers for the checks: sessions over gRPC whose chunks are counted, by stubs made of the proto on the spot."""
import pathlib
import subprocess
import sys
import tempfile
import threading

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load_stubs():
    """The modules of messages and of stubs."""
    folder = tempfile.mkdtemp(prefix="videodiffcr_stubs_")
    plugin = subprocess.run(["which", "grpc_python_plugin"], capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run(["protoc", "-I", ROOT / "proto", f"--python_out={folder}", f"--grpc_python_out={folder}",
                    f"--plugin=protoc-gen-grpc_python={plugin}", "videodiffcr/v1/video_generation.proto"], check=True)
    sys.path.insert(0, folder)
    from videodiffcr.v1 import video_generation_pb2, video_generation_pb2_grpc
    return video_generation_pb2, video_generation_pb2_grpc


messages, stubs = load_stubs()
PROMPT = "a red circle moves right on a blue background"


class Viewer(threading.Thread):
    """One session. Afterwards: chunks (their numbers), status, server (the response header of that name), error."""

    def __init__(self, address, chunks, metadata=(), budget=1.0, playout=True, cancel_after=None, credentials=None):
        super().__init__(daemon=True)
        self.address, self.metadata, self.cancel_after, self.credentials = address, metadata, cancel_after, credentials
        self.config = messages.SessionConfig(prompt=PROMPT, length_chunks=chunks)
        self.config.retention.target = budget
        if playout:
            self.config.playout.start_buffer.FromMilliseconds(500)
        self.chunks, self.status, self.server, self.error, self.finished = [], None, None, "", False
        self.started_at_chunk = threading.Event()  # the first one has come

    def run(self):
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        channel = (grpc.secure_channel(self.address, self.credentials, options) if self.credentials
                   else grpc.insecure_channel(self.address, options))
        done = threading.Event()

        def requests():
            yield messages.StreamVideoRequest(config=self.config)
            done.wait(600)

        call = stubs.VideoGenerationServiceStub(channel).StreamVideo(requests(), metadata=self.metadata, timeout=300)
        try:
            for response in call:
                if self.server is None:
                    self.server = dict(call.initial_metadata()).get("videodiffcr-server")
                if response.HasField("chunk"):
                    self.chunks.append(response.chunk.sequence)
                    self.started_at_chunk.set()
                    if self.cancel_after is not None and len(self.chunks) >= self.cancel_after:
                        call.cancel()
                self.finished = self.finished or response.HasField("finished")
            self.status = grpc.StatusCode.OK
        except grpc.RpcError as error:
            self.status, self.error = error.code(), error.details()
        finally:
            done.set()
            self.started_at_chunk.set()
            channel.close()
