"""Our own client behind an Envoy whose servers are killed and restarted: each video arrives whole. Part of check_fleet.py.

The client is told the one address twice: with more than one server it asks for snapshots, from which any server goes on."""
import pathlib
import signal
import struct
import subprocess
import tempfile

from fleet import wait_until

PROMPT = "a red circle moves right on a blue plain background"


def fragments_of(path):
    """The numbers of the fragments of an MP4 file that may still grow: the first field of each moof's mfhd."""
    data, at, numbers = path.read_bytes() if path.exists() else b"", 0, []
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if at + size > len(data):
            break
        if kind == b"moof":
            numbers.append(struct.unpack(">I", data[at + 20:at + 24])[0])
        at += size
    return numbers


class ClientRun:
    """`videodiffcr generate` of `chunks` chunks in real time, into a file."""

    def __init__(self, fleet, client, folder, seed, chunks):
        self.chunks, self.video, self.log = chunks, pathlib.Path(folder, f"{seed}.mp4"), pathlib.Path(folder, f"{seed}.log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen([client, "generate", "--server", f"{fleet.address},{fleet.address}", "--prompt", PROMPT, "--seed", str(seed),
                                             "--chunks", str(chunks), "--playout", "0.5", "--output", self.video], stdout=log, stderr=log)

    def check(self, require):
        status = self.process.wait(300)
        require(status == 0, f"a client ends well: {status}: {self.log.read_text()[-500:]}")
        numbers = fragments_of(self.video)
        require(numbers == list(range(1, self.chunks + 1)), f"each chunk is in its file once and in order: {numbers}")

    def went_on(self):
        return self.log.read_text().count("going on")


def run_clients(fleet, client, count, chunks, disturb, require):
    """Starts them, disturbs the fleet once each has its first chunks, and checks each file. How often they went on."""
    with tempfile.TemporaryDirectory(prefix="videodiffcr_clients_") as folder:
        clients = [ClientRun(fleet, client, folder, seed, chunks) for seed in range(1, count + 1)]
        try:
            wait_until(lambda: all(len(fragments_of(each.video)) >= 3 for each in clients), "each client has three chunks")
            disturb()
            for each in clients:
                each.check(require)
            return sum(each.went_on() for each in clients)
        finally:
            for each in clients:
                if each.process.poll() is None:
                    each.process.kill()
                    each.process.wait()


def check_killed_server(fleet, say, require, client):
    """The server with the most sessions is killed; others go on with them."""
    killed = []

    def kill():
        killed.append(fleet.busiest())
        killed[0].stop(signal.SIGKILL)

    went_on = run_clients(fleet, client, 6, 16, kill, require)
    require(went_on > 0, "the server that was killed had sessions")
    say(f"a server was killed under six clients: each video is whole, {went_on} times another server went on")
    fleet.start_again(killed[0])


def check_rolling_restart(fleet, say, require, client):
    """Every server is restarted, one by one, under eight clients."""
    def restart():
        for server in fleet.servers:
            server.stop()
            require(server.process.returncode == 0, f"{server.name} ends with 0, not {server.process.returncode}")
            fleet.start_again(server)

    went_on = run_clients(fleet, client, 8, 48, restart, require)
    require(went_on > 0, "the servers that were restarted had sessions")
    say(f"three servers were restarted one by one under eight clients: each video is whole, {went_on} times another server went on")
