"""One live session with many viewers for a long time; run by hand, it is in no test run.

    VIDEODIFFCR_BIN_DIR=build/release/bin VIDEODIFFCR_SOURCE_DIR=. /usr/bin/python3 tests/gateway/soak.py --minutes 30

Each viewer reads fragmented MP4 and checks that no chunk is missing (the numbers in `moof`) and how long it waited for
each. Prints memory of gateway and server over time and ends with 1 when one of them grew by more than 16 MiB after the
first tenth, when a viewer missed a chunk, or when one waited longer than what was ahead of playing.
"""
import argparse
import struct
import sys
import threading
import time

import programs


class Viewer(threading.Thread):
    def __init__(self, gateway, path):
        super().__init__(daemon=True)
        self.gateway, self.path = gateway, path
        self.chunks = 0
        self.missed = 0
        self.longest_wait = 0.0
        self.error = None

    def run(self):
        try:
            with self.gateway.open(self.path, timeout=120) as answer:
                last = None
                while True:
                    head = answer.read(8)
                    if len(head) < 8:
                        return
                    size, kind = struct.unpack(">I4s", head)
                    body = answer.read(size - 8)
                    if kind != b"moof":
                        continue
                    # moof holds mfhd first: size, "mfhd", version and flags, sequence number.
                    number, = struct.unpack(">I", body[12:16])
                    now = time.monotonic()
                    if last is not None:
                        self.missed += number - last[0] - 1
                        self.longest_wait = max(self.longest_wait, now - last[1])
                    last = (number, now)
                    self.chunks += 1
        except OSError as error:
            self.error = error


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--viewers", type=int, default=20)
    arguments = parser.parse_args()
    server = programs.start_server("--max-length-chunks=100000")
    gateway = programs.Gateway([server])
    both = (gateway.process.pid, server.process.pid)
    session = gateway.live(seed=7)
    viewers = [Viewer(gateway, session["links"]["video"]) for _ in range(arguments.viewers)]
    for viewer in viewers:
        viewer.start()
    begin = time.monotonic()
    end = begin + arguments.minutes * 60
    early = None
    while time.monotonic() < end:
        time.sleep(min(30, end - time.monotonic()))
        resident = [programs.resident_bytes(pid) for pid in both]
        elapsed = time.monotonic() - begin
        if early is None and elapsed > arguments.minutes * 6:
            early = resident
        print(f"{elapsed:7.0f} s  gateway {resident[0] / 2**20:6.1f} MiB  server {resident[1] / 2**20:6.1f} MiB  "
              f"chunks {viewers[0].chunks}  "
              f"skipped {gateway.metric('videodiffcr_gateway_skipped_chunks_total'):.0f}  "
              f"longest wait {max(viewer.longest_wait for viewer in viewers):.2f} s", flush=True)
    grown = [programs.resident_bytes(pid) - before for pid, before in zip(both, early)]
    gateway.json(f"/live/{session['id']}/finish", method="POST")
    for viewer in viewers:
        viewer.join(60)
    missed = sum(viewer.missed for viewer in viewers)
    waited = max(viewer.longest_wait for viewer in viewers)
    errors = [viewer.error for viewer in viewers if viewer.error]
    print(f"grown: gateway {grown[0] / 2**20:.1f} MiB, server {grown[1] / 2**20:.1f} MiB; "
          f"missed {missed} chunks, longest wait {waited:.2f} s, errors {errors}")
    gateway.stop()
    server.stop()
    # Three chunks of 0.75 s are ahead of playing.
    return 1 if max(grown) > 16 << 20 or missed or waited > 2.25 or errors else 0


if __name__ == "__main__":
    sys.exit(main())
