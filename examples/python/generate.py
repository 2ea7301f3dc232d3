"""Asks a VideoDiffCR server for a video, with nothing but the stubs that protoc makes of the proto file.

    generate.py "a red circle moves right" --output video.mp4
"""
import argparse
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


def main():
    arguments = parse_arguments()
    config = pb.SessionConfig(prompt=arguments.prompt, seed=arguments.seed, length_chunks=arguments.chunks)
    # A proxy from the environment is meant for web pages.
    with grpc.insecure_channel(arguments.server, options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub = video_generation_pb2_grpc.VideoGenerationServiceStub(channel)
        # Controls (a new prompt, credits, pause) would be further messages of this iterator.
        responses = stub.StreamVideo(iter([pb.StreamVideoRequest(config=config)]))
        with open(arguments.output, "wb") as video:
            for response in responses:
                kind = response.WhichOneof("response")
                if kind == "chunk":
                    video.write(response.chunk.init_segment + response.chunk.payload)
                    print(f"chunk {response.chunk.sequence}: {response.chunk.frame_count} frames")
                elif kind == "finished":
                    print(f"{arguments.output}: {response.finished.frames} frames")


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
