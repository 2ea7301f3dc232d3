"""The real server and gateway with the tiny model, on ports of their own."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

BIN = pathlib.Path(os.environ["VIDEODIFFCR_BIN_DIR"])
SOURCE = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE / "tools/deploy"))
from running_server import wait_for_ports  # noqa: E402


class Program:
    """A child process that writes its ports to a file; its output goes to a log."""

    def __init__(self, arguments, port_key):
        self.folder = tempfile.TemporaryDirectory(prefix="videodiffcr-")
        ports = pathlib.Path(self.folder.name, "ports")
        self.log = pathlib.Path(self.folder.name, "log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*map(str, arguments), f"--port-file={ports}"], stdout=log, stderr=log)
        self.ports = wait_for_ports(self.process, ports, self.log)
        self.port = self.ports[port_key]

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
