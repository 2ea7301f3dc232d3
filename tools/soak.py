#!/usr/bin/env python3
"""A server under a light load for hours: do memory, threads and file descriptors stay, and does every chunk arrive?

    tools/soak.py --minutes 120 --output soak            runs, and exits 1 when anything grew, was lost or changed
    tools/soak.py --draw soak                            draws and judges again what an earlier run has written

Starts `videodiffcr-server` on free ports and, in slices of about a minute, `videodiffcr load` against it: two real-time
sessions at once with playout, of several budgets, every other slice with a floor; connections that break and are resumed;
sessions that are cancelled; a share that is held, byte for byte, against uninterrupted runs. A viewer that takes a chunk every two
seconds runs beside them, by a load of its own so that its waiting is not in the others' figures. Between slices the server
has no session.

What is written to the folder --output, as it goes:
  samples.csv   every five seconds: resident memory, threads, file descriptors, sessions, bytes of KV cache; `quiet` is 1
                between slices, when no session is left
  slices.csv    per slice: chunks, p50 and p99 of the interval between chunks and of the first chunk, what was lost,
                damaged, changed, failed, resumed, cancelled, late
  soak.svg      all of it over time, every ten minutes and at the end (also on SIGINT and SIGTERM, which end a run early)
  server.log    the server's own lines

Fails when the median of resident memory over the last tenth is more than 8 MiB above that of the first tenth, when threads
or file descriptors of quiet samples are more in the last tenth than they were at most in the first, when a quiet server
holds KV cache, when a chunk was lost, damaged or changed, a session failed, or the server did not end with status 0.
"""
import argparse
import csv
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from results_plots import text, ticks

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "deploy"))
from running_server import running_server  # noqa: E402

SAMPLE_COLUMNS = ("seconds", "quiet", "resident_kib", "threads", "descriptors", "sessions", "kv_bytes")
FIGURES = ("sessions", "chunks", "interval_p50_ms", "interval_p99_ms", "first_chunk_p50_ms", "first_chunk_p99_ms", "misses",
           "lowered_chunks", "floor_crossed", "resumes", "killed", "verified", "refused", "lost", "damaged", "changed", "failed")
MUST_BE_ZERO = ("lost", "damaged", "changed", "failed", "refused", "floor_crossed")
ALLOWED_GROWTH_KIB = 8 * 1024
SAMPLE_SECONDS, SLICE_SECONDS, DRAW_SECONDS = 5, 45, 600
PROMPTS = ("a red circle moves right", "a blue square moves up")


def server_sums(server):
    """Of all labels: sessions and bytes of KV cache."""
    lines = server.metrics().splitlines()
    return [sum(float(line.split()[-1]) for line in lines if line.startswith(name + "{"))
            for name in ("videodiffcr_sessions", "videodiffcr_kv_cache_bytes")]


def sample_of(server, seconds):
    folder = pathlib.Path("/proc") / str(server.process.pid)
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    descriptors = len(os.listdir(folder / "fd"))
    sessions, kv_bytes = server_sums(server)
    return {"seconds": round(seconds, 1), "quiet": 0, "resident_kib": int(status["VmRSS"].split()[0]),
            "threads": int(status["Threads"]), "descriptors": descriptors, "sessions": int(sessions), "kv_bytes": int(kv_bytes)}


class Soak:
    def __init__(self, options):
        self.options, self.output = options, options.output
        self.output.mkdir(parents=True, exist_ok=True)
        self.began = time.monotonic()
        self.stopped, self.broken = False, None
        self.next_picture = DRAW_SECONDS
        self.samples = csv_writer(self.output / "samples.csv", SAMPLE_COLUMNS)
        self.slices = csv_writer(self.output / "slices.csv", ("seconds", *FIGURES))

    def elapsed(self):
        return time.monotonic() - self.began

    def run(self):
        """What went wrong with the server itself, in words."""
        flags = [f"--model-folder={self.options.model}", *self.options.server_flag]
        with running_server(self.options.bin / "videodiffcr-server", flags, log=self.output / "server.log") as self.server:
            number = 0
            while not self.stopped and self.elapsed() < 60 * self.options.minutes:
                self.slice(number)
                number += 1
                if self.elapsed() >= self.next_picture:
                    self.next_picture += DRAW_SECONDS
                    draw(self.output)
        status = self.server.process.returncode
        return ([f"the server ended with status {status}"] if status else []) + ([self.broken] if self.broken else [])

    def slice(self, number):
        with tempfile.TemporaryDirectory() as folder:
            main, slow = pathlib.Path(folder) / "main.json", pathlib.Path(folder) / "slow.json"
            floor = ["--floor", "0.7"] if number % 2 == 0 else []
            loads = [self.load(main, number, "--arrivals", "closed:2", "--chunks", "4..24", "--budgets", "1,0.8,0.7", *floor,
                               "--cut-share", "0.04", "--kill-share", "0.15", "--verify", "0.1"),
                     self.load(slow, number, "--arrivals", "closed:1", "--chunks", "8..12", "--budgets", "0.7", "--playout",
                               "off", "--slow-share", "1", "--slow-pause", "2s")]
            while any(load.poll() is None for load in loads):
                self.take_sample()
                self.pause(loads)
            if self.stopped:  # the loads were told to stop too
                return
            figures, beside = read_figures(main), read_figures(slow)
        for name in MUST_BE_ZERO:  # the slow viewer's losses count, its intervals do not
            figures[name] = figures.get(name, 0) + beside.get(name, 0)
        figures["failed"] += sum(load.returncode != 0 for load in loads)
        self.slices({"seconds": round(self.elapsed(), 1), **{name: figures.get(name, 0) for name in FIGURES}})
        self.quiet_sample()

    def load(self, path, number, *flags):
        prompts = [word for prompt in PROMPTS for word in ("--prompt", prompt)]
        return subprocess.Popen([self.options.bin / "videodiffcr", "load", "--server", self.server.address, "--duration",
                                 f"{SLICE_SECONDS}s", "--seed", str(number + 1), "--json", path, *prompts, *flags],
                                stdout=subprocess.DEVNULL, stderr=open(self.output / "load.log", "a"))

    def pause(self, loads):
        until = time.monotonic() + SAMPLE_SECONDS
        while time.monotonic() < until and any(load.poll() is None for load in loads):
            time.sleep(0.2)
            if self.stopped:
                for load in loads:
                    load.terminate()

    def take_sample(self, quiet=False):
        try:
            sample = sample_of(self.server, self.elapsed())
        except OSError as error:  # it is gone, or does not answer
            self.stopped, self.broken = True, f"no sample of the server after {self.elapsed():.0f} s: {error}"
            return True
        if quiet and sample["sessions"] > 0:
            return False
        self.samples({**sample, "quiet": int(quiet)})
        return True

    def quiet_sample(self):
        for _ in range(20):
            if self.take_sample(quiet=True):
                return
            time.sleep(0.25)

    def stop(self, *_):
        self.stopped = True


def csv_writer(path, columns):
    """Writes a row so that it is there whatever happens next."""
    def append(mode, write):
        with open(path, mode, newline="") as file:
            write(csv.DictWriter(file, columns))

    append("w", lambda writer: writer.writeheader())
    return lambda row: append("a", lambda writer: writer.writerow(row))


def read_figures(path):
    """Of one load; one that left none has failed."""
    try:
        return json.loads(path.read_text())["figures"]
    except (OSError, ValueError, KeyError):
        return {"failed": 1}


def read_rows(path):
    with open(path, newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def median(values):
    return sorted(values)[len(values) // 2] if values else 0


def tenths(rows):
    """Of a run, the first tenth and the last by time."""
    end = max((row["seconds"] for row in rows), default=0)
    return [row for row in rows if row["seconds"] <= end / 10], [row for row in rows if row["seconds"] >= end * 9 / 10]


def judge(output):
    """What grew or was lost, in words; prints what did not."""
    samples, slices = read_rows(output / "samples.csv"), read_rows(output / "slices.csv")
    quiet = [row for row in samples if row["quiet"]]
    wrong = [] if slices and len(quiet) >= 2 else ["no slice was run to its end"]
    first, last = tenths(samples)
    before, after = (median([row["resident_kib"] for row in rows]) for rows in (first, last))
    print(f"resident memory {before / 1024:.1f} MiB in the first tenth, {after / 1024:.1f} MiB in the last; "
          f"highest {max((row['resident_kib'] for row in samples), default=0) / 1024:.1f} MiB")
    if after - before > ALLOWED_GROWTH_KIB:
        wrong.append(f"resident memory grew by {(after - before) / 1024:.1f} MiB")
    first, last = tenths(quiet)
    for name in ("threads", "descriptors"):
        before, after = max((row[name] for row in first), default=0), median([row[name] for row in last])
        print(f"{name} without a session: {before:.0f} at most in the first tenth, {after:.0f} in the last")
        if after > before:
            wrong.append(f"{name} grew from {before:.0f} to {after:.0f}")
    if any(row["kv_bytes"] for row in quiet):
        wrong.append("KV cache was held without a session")
    for name in ("sessions", "chunks", "resumes", "killed", "verified", "misses", *MUST_BE_ZERO):
        total = sum(row[name] for row in slices)
        print(f"{name}: {total:.0f}")
        if name in MUST_BE_ZERO and total:
            wrong.append(f"{name}: {total:.0f}")
    return wrong


WIDTH, PANEL, LEFT, RIGHT, TOP = 860, 150, 70, 20, 50


def panel(top, end, title, series):
    """One graph over minutes; series: [(name, colour, [(seconds, value)])]."""
    bottom = top + PANEL - 46
    high = max((value for _, _, points in series for _, value in points), default=1) * 1.1 or 1
    across = lambda seconds: LEFT + (WIDTH - LEFT - RIGHT) * seconds / end
    up = lambda value: bottom - (bottom - top) * value / high
    parts = [text(LEFT, top - 8, title)]
    for value in ticks(0, high):
        parts.append(f'<line x1="{LEFT}" y1="{up(value):.1f}" x2="{WIDTH - RIGHT}" y2="{up(value):.1f}" stroke="#e4e4e4"/>')
        parts.append(text(LEFT - 8, up(value) + 4, f"{value:g}", anchor="end"))
    for value in ticks(0, end / 60):
        parts.append(text(across(60 * value), bottom + 16, f"{value:g}", anchor="middle"))
    for number, (name, colour, points) in enumerate(series):
        path = " ".join(f"{across(seconds):.1f},{up(value):.1f}" for seconds, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
        parts.append(f'<text x="{WIDTH - RIGHT - 150 * number}" y="{top - 8}" font-size="12" text-anchor="end" fill="{colour}">{name}</text>')
    return parts + [f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{bottom - top}" fill="none" stroke="#888"/>']


def draw(output):
    samples, slices = read_rows(output / "samples.csv"), read_rows(output / "slices.csv")
    if not samples:
        return
    end = max(row["seconds"] for row in samples) or 1
    quiet = [row for row in samples if row["quiet"]]
    line = lambda rows, name, scale=1: [(row["seconds"], row[name] / scale) for row in rows]
    blue, orange = "#1f5fa8", "#c2571a"
    panels = [
        ("resident memory, MiB", [("all samples", blue, line(samples, "resident_kib", 1024)),
                                  ("without a session", orange, line(quiet, "resident_kib", 1024))]),
        ("threads", [("all samples", blue, line(samples, "threads")), ("without a session", orange, line(quiet, "threads"))]),
        ("file descriptors", [("all samples", blue, line(samples, "descriptors")),
                              ("without a session", orange, line(quiet, "descriptors"))]),
        ("KV cache, MiB", [("all samples", blue, line(samples, "kv_bytes", 2**20))]),
        ("interval between chunks by slice, ms", [("p99", orange, line(slices, "interval_p99_ms")),
                                                  ("p50", blue, line(slices, "interval_p50_ms"))]),
        ("first chunk by slice, ms", [("p99", orange, line(slices, "first_chunk_p99_ms")),
                                      ("p50", blue, line(slices, "first_chunk_p50_ms"))]),
    ]
    height = TOP + PANEL * len(panels)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{height}" fill="white"/>', text(LEFT, 22, "One server over time, in minutes", size=15)]
    for number, (title, series) in enumerate(panels):
        parts += panel(TOP + PANEL * number, end, title, series)
    (output / "soak.svg").write_text("\n".join(parts + ["</svg>", ""]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120, help="no slice begins after them")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("soak"), help="the folder that is written")
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"), help="where the programs are")
    parser.add_argument("--model", type=pathlib.Path, default=pathlib.Path("models/tiny"))
    parser.add_argument("--server-flag", action="append", default=[], help="for the server, such as --server-flag=--threads=1")
    parser.add_argument("--draw", type=pathlib.Path, metavar="FOLDER", help="draw and judge that folder, run nothing")
    options = parser.parse_args()
    wrong = []
    if options.draw is None:
        if shutil.which(options.bin / "videodiffcr-server") is None:
            sys.exit(f"soak: there is no {options.bin / 'videodiffcr-server'}")
        soak = Soak(options)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, soak.stop)
        wrong = soak.run()
    output = options.draw or options.output
    draw(output)
    wrong += judge(output)
    for words in wrong:
        print(f"soak: {words}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
