"""Asks a VideoDiffCR server for a video, with nothing but the stubs that protoc makes of the proto file.

    generate.py "a red circle moves right" --output video.mp4
"""
import argparse
import os
import stat
import sys

import grpc

from videodiffcr.v1 import video_generation_pb2 as pb
from videodiffcr.v1 import video_generation_pb2_grpc


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prompt")
    parser.add_argument("--server", default="localhost:50051", metavar="HOST:PORT")
    parser.add_argument("--chunks", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="0: the server picks one")
    parser.add_argument("--output", default="video.mp4", metavar="PATH")
    return parser.parse_args()


def printable(text):
    """A server's words without what would steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def write_whole(video, data):
    """All of data or, on a full disk, nothing of it: what is in the file stays playable."""
    begin = video.tell() if video.seekable() else None
    try:
        while data:
            data = data[video.write(data):]
    except OSError:
        if begin is not None and stat.S_ISREG(os.fstat(video.fileno()).st_mode):
            video.truncate(begin)
        raise


def main():
    arguments = parse_arguments()
    config = pb.SessionConfig(prompt=arguments.prompt, seed=arguments.seed, length_chunks=arguments.chunks)
    options = [
        ("grpc.enable_http_proxy", 0),  # a proxy from the environment is meant for web pages
        # A server that is frozen or cut off closes nothing; only a ping that stays unanswered tells.
        ("grpc.keepalive_time_ms", 15000),
        ("grpc.keepalive_timeout_ms", 15000),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    with grpc.insecure_channel(arguments.server, options=options) as channel:
        stub = video_generation_pb2_grpc.VideoGenerationServiceStub(channel)
        # Controls (a new prompt, credits, pause) would be further messages of this iterator.
        responses = stub.StreamVideo(iter([pb.StreamVideoRequest(config=config)]))
        video = None
        try:
            for response in responses:
                kind = response.WhichOneof("response")
                if kind == "started":
                    # Not before: a refused call leaves an older file alone. Unbuffered: what has arrived is in the file.
                    video = open(arguments.output, "wb", buffering=0)
                elif kind == "chunk":
                    write_whole(video, response.chunk.init_segment + response.chunk.payload)
                    print(f"chunk {response.chunk.sequence}: {response.chunk.frame_count} frames")
                elif kind == "finished":
                    print(f"{arguments.output}: {response.finished.frames} frames")
        finally:
            responses.cancel()
            if video is not None:
                video.close()


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {printable(error.details())}")
    except OSError as error:
        sys.exit(f"cannot write: {error}")
