"""One live session with many viewers for a long time; run by hand, it is in no test run.

    VIDEODIFFCR_BIN_DIR=build/release/bin VIDEODIFFCR_SOURCE_DIR=. /usr/bin/python3 tests/gateway/soak.py --minutes 30

Each viewer reads fragmented MP4, checks that no chunk is missing (the numbers in `moof`), and plays: half a second after
the first chunk, and never faster than time goes. A chunk that comes when all before it has been played is a stall. Prints
memory of gateway and server over time and ends with 1 when one of them grew by more than 16 MiB after the first fifth,
when a viewer missed a chunk, or when one stalled.
"""
import argparse
import struct
import sys
import threading
import time

import programs

FIRST_CHUNK_SECONDS = 9 / 16  # of tiny
CHUNK_SECONDS = 12 / 16
START_BUFFER_SECONDS = 0.5


class Viewer(threading.Thread):
    def __init__(self, gateway, path):
        super().__init__(daemon=True)
        self.gateway, self.path = gateway, path
        self.chunks = 0
        self.missed = 0
        self.longest_wait = 0.0
        self.played_until = None  # when what has come will have been played
        self.stalls = 0
        self.stalled_seconds = 0.0
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
                    self.play(now)
                    self.chunks += 1
        except OSError as error:
            self.error = error

    def play(self, now):
        if self.played_until is None:
            self.played_until = now + START_BUFFER_SECONDS + FIRST_CHUNK_SECONDS
            return
        if now > self.played_until:
            self.stalls += 1
            self.stalled_seconds += now - self.played_until
            self.played_until = now
        self.played_until += CHUNK_SECONDS


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
              f"longest wait {max(viewer.longest_wait for viewer in viewers):.2f} s  "
              f"stalled {max(viewer.stalled_seconds for viewer in viewers):.2f} s", flush=True)
    grown = [programs.resident_bytes(pid) - before for pid, before in zip(both, early)]
    gateway.json(f"/live/{session['id']}/finish", method="POST")
    for viewer in viewers:
        viewer.join(60)
    missed = sum(viewer.missed for viewer in viewers)
    waited = max(viewer.longest_wait for viewer in viewers)
    stalls = sum(viewer.stalls for viewer in viewers)
    errors = [viewer.error for viewer in viewers if viewer.error]
    print(f"grown: gateway {grown[0] / 2**20:.1f} MiB, server {grown[1] / 2**20:.1f} MiB; "
          f"missed {missed} chunks, longest wait {waited:.2f} s, {stalls} stalls, errors {errors}")
    gateway.stop()
    server.stop()
    return 1 if max(grown) > 16 << 20 or missed or stalls or errors else 0


if __name__ == "__main__":
    sys.exit(main())
