#!/usr/bin/env python3
"""Many servers as one address, tried: load over all, affinity, resume, browsers, a full server, a dead one, a rolling restart, hand-over, a new one.

    tools/deploy/check_fleet.py ENVOY BIN

Prints what was measured, and ends with exit status 1 at the first thing that does not hold.
"""
import pathlib
import signal
import sys
import threading
import time

import grpc

import check_calls
import check_hand_over
from fleet import running_fleet, wait_until
from viewer import Viewer

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEGAN = time.monotonic()
SESSIONS = 6  # of one server; two of the three carry the eight viewers of the rolling restart
# Whether this machine is fast enough for them is not what is tried here.
FLAGS = ["--no-slack-admission", "--model-folder", str(ROOT / "models/tiny"), "--threads=1", "--warm-up-chunks=1", f"--max-sessions={SESSIONS}", "--max-waiting-sessions=0",
         "--drain-timeout=20s"]


def say(text):
    print(f"fleet: {time.monotonic() - BEGAN:4.0f} s: {text}", flush=True)


def require(condition, what):
    if not condition:
        raise SystemExit(f"fleet: does not hold: {what}")


def run(viewers):
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join(180)
    return viewers


def check_whole(viewer):
    require(viewer.status == grpc.StatusCode.OK and viewer.finished, f"a session ends well: {viewer.status} {viewer.error}")
    require(viewer.chunks == list(range(viewer.config.length_chunks)), f"every chunk once and in order: {viewer.chunks}")


def check_load_over_all(fleet):
    before = {server.name: server.sessions_started() for server in fleet.servers}
    for viewer in run([Viewer(fleet.address, 3) for _ in range(9)]):
        check_whole(viewer)
    shares = {server.name: server.sessions_started() - before[server.name] for server in fleet.servers}
    require(all(shares.values()), f"each server has some of nine sessions: {shares}")
    say(f"nine sessions at once: {shares}")


def check_affinity(fleet):
    first = run([Viewer(fleet.address, 1)])[0]
    require(first.server, "the gateway says which server has the session")
    returned = [run([Viewer(fleet.address, 1, metadata=[("videodiffcr-server", first.server)])])[0] for _ in range(6)]
    require({viewer.server for viewer in returned} <= {first.server, None} and all(v.status == grpc.StatusCode.OK for v in returned),
            f"who comes back reaches the same server: {[viewer.server for viewer in returned]}")
    before = {server.name: server.sessions_started() for server in fleet.servers}
    run([Viewer(fleet.address, 1, metadata=[("videodiffcr-server", first.server)]) for _ in range(3)])
    grew = [server.name for server in fleet.servers if server.sessions_started() > before[server.name]]
    require(len(grew) == 1, f"three more by the same header reach one server: {grew}")
    say(f"nine calls with the header of one session all reached {grew[0]}")


def check_full_server(fleet):
    """One session more than a server takes, all aimed at it."""
    first = run([Viewer(fleet.address, 1)])[0]
    before = {server.name: server.sessions_started() for server in fleet.servers}
    viewers = run([Viewer(fleet.address, 12, metadata=[("videodiffcr-server", first.server)]) for _ in range(SESSIONS + 1)])
    require(all(viewer.status == grpc.StatusCode.OK for viewer in viewers), f"the last is taken elsewhere: {[v.error for v in viewers]}")
    shares = {server.name: server.sessions_started() - before[server.name] for server in fleet.servers}
    require(sorted(shares.values()) == [0, 1, SESSIONS], f"all places of one server and one of another: {shares}")
    say(f"{SESSIONS + 1} sessions aimed at a server that takes {SESSIONS}: {shares}")


def check_dead_server(fleet):
    """A server that is killed breaks its sessions; their viewers come back and are served by others."""
    viewers = [Viewer(fleet.address, 40, playout=False) for _ in range(6)]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.started_at_chunk.wait(60)
    victim = fleet.busiest()
    victim.stop(signal.SIGKILL)
    for viewer in viewers:
        viewer.join(180)
    broken = [viewer for viewer in viewers if viewer.status != grpc.StatusCode.OK]
    require(0 < len(broken) < len(viewers), f"some sessions were its, not all: {len(broken)}")
    for viewer in run([Viewer(fleet.address, 2, metadata=[("videodiffcr-server", broken[0].server)] if broken[0].server else ()) for _ in broken]):
        check_whole(viewer)
    took = fleet.wait_for([server for server in fleet.servers if server is not victim])
    say(f"a server was killed under six viewers: {len(broken)} lost it, all of them reconnected and were served; left out after {took:.1f} s")
    fleet.start_again(victim)


def watch(fleet, stop, results):
    """Sessions one after the other, as a viewer who never stops; a session that a drain ends is begun again."""
    while not stop.is_set():
        results.append(Viewer(fleet.address, 6))
        run(results[-1:])


def check_rolling_restart(fleet):
    stop, results = threading.Event(), [[] for _ in range(8)]
    watchers = [threading.Thread(target=watch, args=(fleet, stop, each), daemon=True) for each in results]
    for watcher in watchers:
        watcher.start()
    wait_until(lambda: all(each and each[0].chunks for each in results), "each viewer has a chunk")
    for server in fleet.servers:
        server.stop()
        require(server.process.returncode == 0, f"{server.name} ends with 0, not {server.process.returncode}")
        fleet.start_again(server)
    stop.set()
    for watcher in watchers:
        watcher.join(180)
    sessions = [viewer for each in results for viewer in each]
    for viewer in sessions:
        # A drain ends a session behind a whole chunk, with ABORTED, which says: come back.
        require(viewer.status in (grpc.StatusCode.OK, grpc.StatusCode.ABORTED), f"{viewer.status}: {viewer.error}")
        require(viewer.chunks == list(range(len(viewer.chunks))), f"no chunk is lost or doubled: {viewer.chunks}")
    ended = sum(viewer.status == grpc.StatusCode.ABORTED for viewer in sessions)
    say(f"three servers were restarted one by one under eight viewers: {len(sessions)} sessions, {sum(len(v.chunks) for v in sessions)} chunks, "
        f"{ended} sessions told to come back, no other error")


def check_fourth_server(fleet):
    began = time.monotonic()
    [fourth] = fleet.add("server-4")
    came = time.monotonic()
    fleet.wait_for(fleet.servers)

    def has_a_session():
        run([Viewer(fleet.address, 1) for _ in range(4)])
        return fourth.sessions_started() > 0

    wait_until(has_a_session, "the fourth server has a session", 30)
    took = time.monotonic() - came
    require(took <= 10, f"a fourth server takes sessions within 10 s of serving: {took:.1f} s")
    say(f"a fourth server had a session {took:.1f} s after it served ({time.monotonic() - began:.1f} s after its start)")


def main(envoy, folder):
    with running_fleet(envoy, pathlib.Path(folder, "videodiffcr-server"), FLAGS) as fleet:
        fleet.add("server-1", "server-2", "server-3")
        fleet.wait_for(fleet.servers)
        check_load_over_all(fleet)
        check_affinity(fleet)
        check_full_server(fleet)
        check_calls.check_resume(fleet, say, require)
        check_calls.check_beside(fleet, say, require)
        check_calls.check_client(fleet, say, require, pathlib.Path(folder, "videodiffcr"))
        check_calls.check_grpc_web(fleet, say, require)
        check_calls.check_gone(fleet, say, require)
        check_dead_server(fleet)
        check_rolling_restart(fleet)
        check_hand_over.check_killed_server(fleet, say, require, pathlib.Path(folder, "videodiffcr"))
        check_hand_over.check_rolling_restart(fleet, say, require, pathlib.Path(folder, "videodiffcr"))
        check_fourth_server(fleet)
    say("all held")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
