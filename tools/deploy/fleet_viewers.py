#!/usr/bin/env python3
"""How many viewers several servers behind one Envoy play to: one server a GPU, fleets of 1, 2, 4 and so on, as many beside each other as there
are GPUs for.

    tools/deploy/fleet_viewers.py --envoy ENVOY --bin FOLDER --model-folder FOLDER [FLAG...]

Each fleet has viewers at playing speed, who all come at once, and then, for a shorter time, viewers who take chunks as fast as they are made.
--device=cpu takes no GPU: for a try of all this on any machine. Part `fleet` of tools/gpu_check.sh.
"""
import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import subprocess
import sys

from fleet import running_fleet
from fleet_phases import phases

PROMPT = "a large red circle moves right fast on a navy checkered background"
CHUNK_SECONDS = 0.75


def ask_gpus(fields):
    """A line for each GPU of the machine, as nvidia-smi says; none without it."""
    try:
        done = subprocess.run(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"], stdout=subprocess.PIPE, text=True, check=False)
    except OSError:
        return []
    return done.stdout.splitlines()


def visible_gpus(options):
    """What CUDA_VISIBLE_DEVICES says of each GPU that a server may have; on the CPU only their number counts."""
    if options.device == "cpu":
        return [""] * options.servers
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else [line.strip() for line in ask_gpus("index")]


def server_flags(options):
    flags = [f"--model-folder={options.model_folder}", f"--device={options.device}", f"--max-sessions={options.viewers}", "--max-waiting-sessions=0"]
    if options.device == "cpu":
        # Whether this machine is fast enough for them is not what is tried here.
        return [*flags, "--threads=1", "--no-slack-admission"]
    return [*flags, f"--precision={options.precision}", f"--gpu-sessions={options.viewers + 1}"]


def load(options, fleet, viewers, seconds, playout, name):
    """Figures of `videodiffcr load`: so many sessions of `seconds` of video, begun at once."""
    output = pathlib.Path(fleet.folder, f"{name}.json")
    # A server whose place is not free yet refuses; who is refused comes again for as long as sessions begin.
    command = [options.bin / "videodiffcr", "load", "--server", fleet.address, f"--arrivals=closed:{viewers}", f"--duration={min(5, seconds / 2)}s",
               f"--chunks={math.ceil(seconds / CHUNK_SECONDS) + 1}", f"--budgets={options.budget}", f"--playout={playout}", "--run-ahead=2",
               f"--prompt={PROMPT}", f"--json={output}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print(f"servers: {len(fleet.servers)}; {name}:\n{done.stdout[-4000:]}", flush=True)
    if done.returncode != 0:
        raise SystemExit(f"fleet: videodiffcr load ended with {done.returncode}")
    return json.loads(output.read_text())["figures"]


def measure(options, visible, gpus):
    """One fleet, on those of the `visible` GPUs, from the start of its servers to their end."""
    environments = {f"gpu-{gpu}": {"CUDA_VISIBLE_DEVICES": visible[gpu]} for gpu in gpus}
    viewers = options.viewers * len(gpus)
    with running_fleet(options.envoy, options.bin / "videodiffcr-server", server_flags(options)) as fleet:
        servers = fleet.add(*environments, environments=environments)
        fleet.wait_for(servers)
        playing = load(options, fleet, viewers, options.seconds, CHUNK_SECONDS, "playing")
        sessions = {server.name: server.sessions_started() for server in servers}
        flat_out = load(options, fleet, viewers, options.flat_out_seconds, "off", "flat_out")
    return {"gpus": len(gpus), "viewers": viewers, "finished": int(playing["finished"]), "failed": int(playing["failed"]),
            "least_cpr": playing["least_cpr"], "first_chunk_p50_ms": playing["first_chunk_p50_ms"], "slack_p1_ms": playing["slack_p1_ms"],
            "seconds": options.seconds, "sessions": sessions,
            # Of the median interval of a viewer's chunks, since sessions that begin and end are no steady rate.
            "flat_out_chunks_per_second": viewers * 1000 / flat_out["interval_p50_ms"] if flat_out["interval_p50_ms"] else 0}


def text_of(row):
    shares = ", ".join(f"{name} {count}" for name, count in row["sessions"].items())
    return (f"servers: {row['gpus']}; {row['finished']} of {row['viewers']} viewers finished, {row['failed']} failed, least CPR {row['least_cpr']:.4f}, "
            f"sessions {shares}, flat out {row['flat_out_chunks_per_second']:.2f} chunks/s")


def main(options):
    visible = visible_gpus(options)
    if not visible:
        raise SystemExit("fleet: nvidia-smi names no GPU; --device=cpu tries it without")
    machine = "; ".join(ask_gpus("name,driver_version,clocks.sm")[:1])
    rows = []
    for phase in phases(len(visible)):
        with concurrent.futures.ThreadPoolExecutor(len(phase)) as pool:
            for row in pool.map(lambda gpus: measure(options, visible, gpus), phase):
                rows.append(row)
                print(f"fleet: {text_of(row)}", flush=True)
        # At once: whoever is cut keeps what is done.
        if options.json:
            options.json.write_text(json.dumps({"context": {"machine": machine}, "rows": rows}, indent=1))
    return 0 if all(row["finished"] == row["viewers"] and row["least_cpr"] >= 0.99 for row in rows) else 1


def parse(words):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envoy", type=pathlib.Path, required=True, help="the program")
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of videodiffcr-server and videodiffcr")
    parser.add_argument("--model-folder", required=True)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--precision", default="fp8")
    parser.add_argument("--budget", default="0.7")
    parser.add_argument("--viewers", type=int, default=3, help="of one server (3)")
    parser.add_argument("--servers", type=int, default=2, help="how many there may be on the CPU, as if each had a GPU (2)")
    parser.add_argument("--seconds", type=float, default=60, help="of video at playing speed (60)")
    parser.add_argument("--flat-out-seconds", type=float, default=20, help="of video as fast as it is made (20)")
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main(parse(sys.argv[1:])))
