"""Calls that look for one session among the servers behind an Envoy, and calls of browsers. Part of check_fleet.py.

Each function takes the fleet, and by what its caller says and requires."""
import base64
import signal
import subprocess
import threading
import time
import zlib

import grpc

import grpc_web
from relay import Relay
from viewer import PROMPT, messages, stubs

SERVICE = "/videodiffcr.v1.VideoGenerationService/"


def route_of(token):
    """What goes along with a call, as the proto says: what stands before the first of a token's two dots."""
    parts = token.split(".")
    return [("videodiffcr-server", parts[0])] if len(parts) == 3 else []


class Session:
    """A resumable session on a channel of its own, read by a thread. Afterwards: started, chunks {sequence: payload}, status."""

    def __init__(self, address, chunks, credits=None, seed=7):
        self.channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 100),
                                                       ("grpc.max_reconnect_backoff_ms", 500)])
        self.stub = stubs.VideoGenerationServiceStub(self.channel)
        self.config = messages.SessionConfig(prompt=PROMPT, length_chunks=chunks, seed=seed, resumable=True, initial_chunk_credits=credits)
        self.started, self.chunks, self.status, self.events = None, {}, None, []
        self._news = threading.Condition()

    def begin(self):
        self._open(messages.StreamVideoRequest(config=self.config), [])

    def begin_anew(self):
        self.started, self.chunks = None, {}
        self.config.initial_chunk_credits = 2
        self.begin()

    def resume(self):
        resume = messages.ResumeRequest(resume_token=self.started.resume_token)
        if self.chunks:
            resume.last_sequence = max(self.chunks)
        self._open(messages.StreamVideoRequest(resume=resume), route_of(self.started.resume_token))

    def _open(self, first, metadata):
        self.status = None
        self._ended = threading.Event()

        def requests():
            yield first
            self._ended.wait(600)

        call = self.stub.StreamVideo(requests(), metadata=metadata, timeout=300, wait_for_ready=True)
        threading.Thread(target=self._read, args=(call, self._ended), daemon=True).start()

    def _read(self, call, ended):
        status = grpc.StatusCode.OK
        try:
            for response in call:
                with self._news:
                    if response.HasField("started"):
                        self.started = response.started
                    if response.HasField("chunk"):
                        self.chunks[response.chunk.sequence] = zlib.crc32(response.chunk.payload)
                    self.events.append(response.WhichOneof("response"))
                    self._news.notify_all()
        except grpc.RpcError as error:
            status = error.code(), error.details()
        ended.set()
        with self._news:
            self.status = status
            self._news.notify_all()

    def wait(self, condition, what, seconds=60):
        with self._news:
            if not self._news.wait_for(lambda: condition(self), seconds):
                raise SystemExit(f"fleet: not within {seconds} s: {what}: {self.status}, {len(self.chunks)} chunks")

    def ask(self, method, request, token):
        request.session_id = self.started.session_id
        return getattr(self.stub, method)(request, metadata=route_of(token), timeout=30)

    def cancel(self):
        self.ask("CancelSession", messages.CancelSessionRequest(resume_token=self.started.resume_token), self.started.resume_token)
        self.channel.close()


def code_of(call):
    try:
        call()
        return grpc.StatusCode.OK
    except grpc.RpcError as error:
        return error.code()


def check_resume(fleet, say, require):
    """Sessions whose connections are reset, all at once, three times over: each goes on where it was, on its own server."""
    relay = Relay(fleet.address)
    sessions = [Session(relay.address, 8, credits=2, seed=seed) for seed in range(1, 7)]
    for session in sessions:
        session.begin()
    for last in (1, 3, 5):
        for session in sessions:
            session.wait(lambda s, last=last: last in s.chunks, f"chunk {last}")
        relay.cut()
        for session in sessions:
            session.wait(lambda s: s.status not in (None, grpc.StatusCode.OK), "the cut is noticed")
            session.resume()
            update = messages.UpdateSessionRequest(resume_token=session.started.resume_token, credit=messages.CreditGrant(chunks=2))
            session.ask("UpdateSession", update, session.started.resume_token)
    for session in sessions:
        session.wait(lambda s: s.status is not None, "the end")
        require(session.status == grpc.StatusCode.OK, f"a session whose connection was cut ends well: {session.status}")
        require(sorted(session.chunks) == list(range(8)), f"all of its chunks come: {sorted(session.chunks)}")
        session.channel.close()
    relay.close()
    say(f"six sessions over all servers, every connection reset three times: {sum(s.events.count('started') - 1 for s in sessions)} resumes "
        "reached their server, no chunk was lost")


def check_beside(fleet, say, require):
    """UpdateSession, CancelSession and WatchSession from a connection of their own, by the token alone; and without what it says."""
    for _ in range(4):
        session = Session(fleet.address, 40, credits=2)
        session.begin()
        session.wait(lambda s: 1 in s.chunks, "chunk 1")
        watched = {}

        def watch(session=session, watched=watched):
            request = messages.WatchSessionRequest(session_id=session.started.session_id, watch_token=session.started.watch_token)
            with grpc.insecure_channel(fleet.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                stub = stubs.VideoGenerationServiceStub(channel)
                try:
                    for response in stub.WatchSession(request, metadata=route_of(request.watch_token), timeout=60):
                        if response.HasField("chunk"):
                            watched[response.chunk.sequence] = zlib.crc32(response.chunk.payload)
                        elif response.HasField("started"):
                            joined.set()
                except grpc.RpcError as error:
                    watched["end"] = error.code()
                joined.set()

        joined = threading.Event()
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        require(joined.wait(30) and "end" not in watched, f"a watcher joins: {watched}")
        credit = messages.UpdateSessionRequest(resume_token=session.started.resume_token, credit=messages.CreditGrant(chunks=3))
        session.ask("UpdateSession", credit, session.started.resume_token)
        session.wait(lambda s: 4 in s.chunks, "chunk 4, whose credit came by UpdateSession")
        astray = [code_of(lambda: session.stub.UpdateSession(messages.UpdateSessionRequest(
            session_id=session.started.session_id, resume_token=session.started.resume_token, pause=messages.PauseRequest()), timeout=30))
                  for _ in range(6)]
        require(set(astray) <= {grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND} and grpc.StatusCode.NOT_FOUND in astray,
                f"without the metadata some calls go astray and are told so: {astray}")
        session.cancel()
        watcher.join(30)
        require(watched.pop("end", None) is not None, "the watcher hears of the end")
        require(watched and watched == {number: session.chunks[number] for number in watched}, f"the watcher sees the same bytes: {sorted(watched)}")
    say("four sessions were watched, updated and cancelled from other connections, by their tokens alone")


def check_client(fleet, say, require, client):
    """Our own client, whose connections break at random, each session held byte by byte against an uninterrupted one."""
    done = subprocess.run([client, "load", "--server", fleet.address, "--arrivals", "closed:6", "--duration", "10s", "--chunks", "6..10",
                           "--cut-share", "0.3", "--verify", "1", "--playout", "off", "--require", "lost==0,changed==0,failed==0,resumes>=10"],
                          capture_output=True, text=True, check=False, timeout=180)
    require(done.returncode == 0, f"videodiffcr load through Envoy with cuts: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    figures = dict(line.split(None, 1) for line in done.stdout.splitlines() if len(line.split(None, 1)) == 2)
    say(f"videodiffcr load with cuts: {figures.get('sessions')} sessions, {figures.get('resumes')} resumes, nothing lost or changed")


def check_gone(fleet, say, require):
    """Who asks for a session of a server that was killed is told at once that it is gone, and is served by another."""
    sessions = [Session(fleet.address, 40, credits=1) for _ in range(6)]
    for session in sessions:
        session.begin()
    for session in sessions:
        session.wait(lambda s: 0 in s.chunks, "chunk 0")
    victim = fleet.busiest()
    victim.stop(signal.SIGKILL)
    address = base64.b64encode(f"127.0.0.1:{victim.ports['grpc_port']}".encode()).decode()
    lost = [session for session in sessions if session.started.resume_token.startswith(address + ".")]
    require(0 < len(lost) < len(sessions), f"some sessions were its, not all: {len(lost)}")
    for session in lost:
        session.wait(lambda s: s.status is not None, "the end of its call")
        began = time.monotonic()
        session.resume()
        session.wait(lambda s: s.status is not None, "an answer to resume")
        took = time.monotonic() - began
        require(session.status[0] == grpc.StatusCode.DATA_LOSS, f"a session of a server that is gone is lost: {session.status}")
        require(took < 5, f"its client hears of it at once: {took:.1f} s")
        session.begin_anew()
    for session in lost:
        session.wait(lambda s: len(s.chunks) > 1, "a chunk of the session that was begun anew")
    for session in sessions:
        session.cancel()
    say(f"a server was killed under six sessions: {len(lost)} were told so and began anew elsewhere, {len(sessions) - len(lost)} did not notice")
    fleet.start_again(victim)


def check_grpc_web(fleet, say, require):
    """As a browser: HTTP/1.1, a unary call, a stream whose chunks come one by one, and a refusal."""
    answer = grpc_web.call(fleet.address, SERVICE + "GetServerInfo", messages.GetServerInfoRequest().SerializeToString(), time.monotonic)
    require(answer.trailers.get("grpc-status") == "0" and len(answer.messages) == 1, f"GetServerInfo: {answer.trailers}")
    info = messages.GetServerInfoResponse.FromString(answer.messages[0][1])
    require(info.model.name == "tiny", f"GetServerInfo names the model: {info.model.name}")
    request = messages.GenerateVideoRequest(config=messages.SessionConfig(prompt=PROMPT, length_chunks=6, seed=7))
    request.config.playout.start_buffer.FromMilliseconds(500)
    request.config.run_ahead_limit_chunks = 1
    answer = grpc_web.call(fleet.address, SERVICE + "GenerateVideo", request.SerializeToString(), time.monotonic)
    responses = [(at, messages.GenerateVideoResponse.FromString(body)) for at, body in answer.messages]
    chunks = [(at, response.chunk) for at, response in responses if response.HasField("chunk")]
    require(answer.content_type.startswith("application/grpc-web") and answer.trailers.get("grpc-status") == "0", f"GenerateVideo: {answer.trailers}")
    require([chunk.sequence for _, chunk in chunks] == list(range(6)), "all chunks come, in order")
    require(all(chunk.payload for _, chunk in chunks) and chunks[0][1].init_segment[4:8] == b"ftyp", "they are video")
    spread = chunks[-1][0] - chunks[0][0]
    require(spread > 1, f"they come as they are made, not all at the end: within {spread:.2f} s")
    request.config.ClearField("prompt")
    answer = grpc_web.call(fleet.address, SERVICE + "GenerateVideo", request.SerializeToString(), time.monotonic)
    require(answer.trailers.get("grpc-status") == str(grpc.StatusCode.INVALID_ARGUMENT.value[0]), f"a refusal is one: {answer.trailers}")
    say(f"gRPC-Web by HTTP/1.1: GetServerInfo, six chunks over {spread:.1f} s, and a refusal with its status")
