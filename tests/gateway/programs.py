"""The real server and gateway with the tiny model, on ports of their own."""
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

BIN = pathlib.Path(os.environ["VIDEODIFFCR_BIN_DIR"])
SOURCE = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"])


class Program:
    """A child process that writes its ports to a file; its output goes to a log."""

    def __init__(self, arguments, port_key):
        self.folder = tempfile.TemporaryDirectory(prefix="videodiffcr-")
        ports = pathlib.Path(self.folder.name, "ports")
        self.log = pathlib.Path(self.folder.name, "log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*map(str, arguments), f"--port-file={ports}"], stdout=log, stderr=log)
        # Another process writes the file, whole or not at all: looking again and again is all there is.
        while not ports.exists():
            if self.process.poll() is not None:
                raise RuntimeError(f"{arguments[0]} did not start:\n{self.log.read_text()}")
            time.sleep(0.01)
        self.ports = dict(line.split("=") for line in ports.read_text().split())
        self.port = int(self.ports[port_key])

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(60)
        self.folder.cleanup()
        return status


def start_server(*flags, port=0):
    return Program([BIN / "videodiffcr-server", f"--model-folder={SOURCE / 'models/tiny'}", f"--listen=127.0.0.1:{port}",
                    "--metrics-listen=", *flags], "grpc_port")


class Gateway(Program):
    def __init__(self, servers, *flags, port=0):
        addresses = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        super().__init__([BIN / "videodiffcr-gateway", f"--server={addresses}", f"--listen=127.0.0.1:{port}",
                          "--metrics-listen=127.0.0.1:0", *flags], "http_port")
        self.url = f"http://127.0.0.1:{self.port}"

    def open(self, path, body=None, method=None, headers=None, timeout=60):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers or {})
        # Not through a proxy from the environment.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return opener.open(request, timeout=timeout)

    def json(self, path, body=None, method=None, headers=None):
        """(status, body) of any answer."""
        try:
            with self.open(path, body, method, headers) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def live(self, prompt="a red circle moves right on a blue plain background", **more):
        status, session = self.json("/live", {"prompt": prompt, **more})
        assert status == 201, session
        return session

    def metrics(self):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                f"http://127.0.0.1:{self.ports['metrics_port']}/metrics", timeout=30) as answer:
            return answer.read().decode()

    def metric(self, sample):
        for line in self.metrics().splitlines():
            if line.startswith(sample + " "):
                return float(line.split()[-1])
        return None


class Proxy:
    """Stands between, until its connections are cut; then it takes none, until it is mended."""

    def __init__(self, port):
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.lock = threading.Lock()
        self.sockets = []
        self.broken = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if self.broken:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self.port))
                self.sockets += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(source, target), daemon=True).start()

    def pump(self, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        self.end([source, target])

    @staticmethod
    def end(sockets):
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        with self.lock:
            self.broken = True
            self.end(self.sockets)
            self.sockets = []

    def mend(self):
        with self.lock:
            self.broken = False

    def stop(self):
        self.end([self.listener])
        self.listener.close()
        self.cut()


def probe(path_or_url, *more):
    """What ffprobe says of a video, every frame decoded. Anything it complains about is an error."""
    done = subprocess.run(["ffprobe", "-v", "warning", "-print_format", "json", "-count_frames", "-show_streams",
                           "-show_frames", *more, str(path_or_url)], capture_output=True, timeout=120)
    assert done.returncode == 0 and not done.stderr, done.stderr.decode()
    return json.loads(done.stdout)


def resident_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
