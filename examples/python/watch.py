"""Streams a video with the package videodiffcr, changes prompt and budget on the way, and saves what came.

    watch.py "a red circle moves right" "a green star moves left" --output video.mp4
"""
import argparse
import contextlib

import videodiffcr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prompt")
    parser.add_argument("then", help="the prompt from the fourth chunk or so on")
    parser.add_argument("--server", default="localhost:50051", metavar="HOST:PORT")
    parser.add_argument("--output", default="video.mp4", metavar="PATH")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(videodiffcr.Client(arguments.server))
        stream = stack.enter_context(client.stream(arguments.prompt, chunks=12, start_buffer=0, run_ahead_chunks=1,
                                                   on_event=print))
        file = None
        for chunk in stream:
            if file is None:  # not before: a refused call leaves an older file alone
                file = stack.enter_context(open(arguments.output, "wb", buffering=0))
            videodiffcr.write_whole(file, chunk.data)  # plays from here on, however long it gets
            print(f"second {chunk.start:.2f}: {chunk.frame_count} frames in {chunk.seconds:.3f} s, "
                  f"budget {chunk.nominal_retention:.2f}")
            if chunk.sequence == 3:
                stream.set_prompt(arguments.then)
                stream.set_budget(0.8)


if __name__ == "__main__":
    main()
