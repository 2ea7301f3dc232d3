"""A real server on free ports, for the checks of what is deployed and for tools/soak.py."""
import contextlib
import pathlib
import subprocess
import tempfile
import time
import urllib.request

START_SECONDS = 120


class RunningServer:
    """ports: what the server took, by the names of its port file (grpc_port, metrics_port, admin_port); log: its lines, a file;
    process.returncode: how it ended, once it has."""

    def __init__(self, process, ports, log):
        self.process = process
        self.ports = ports
        self.log = log
        self.address = f"127.0.0.1:{ports['grpc_port']}"

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['metrics_port']}/metrics", timeout=10) as page:
            return page.read().decode()


def read_ports(path):
    return {name: int(port) for name, port in (line.split("=") for line in path.read_text().split())}


@contextlib.contextmanager
def running_server(binary, flags, cwd=".", log=None):
    """Starts `binary` with `flags` on free ports of this machine, and stops it with SIGTERM at the end. Its lines go to the
    file `log`; without one, to a file that goes with the server."""
    with tempfile.TemporaryDirectory() as folder:
        port_file, log = pathlib.Path(folder, "ports"), pathlib.Path(log or pathlib.Path(folder, "log"))
        addresses = ["--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", f"--port-file={port_file}"]
        with log.open("w") as out:
            process = subprocess.Popen([binary, *flags, *addresses], cwd=cwd, stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not port_file.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the server did not start with {' '.join(flags)}:\n{log.read_text()}")
                time.sleep(0.05)
            yield RunningServer(process, read_ports(port_file), log)
        finally:
            process.terminate()
            process.wait(60)
