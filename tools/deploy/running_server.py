"""Our programs on free ports, for the checks of what is deployed, tools/soak.py and the tests in Python."""
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


def wait_for_ports(process, port_file, log):
    """The ports that the program `process` took, by their names in `port_file`, once it is there. Ends this program with what the
    other said in the file `log` when that has ended instead, or says nothing for long."""
    deadline = time.monotonic() + START_SECONDS
    # Another process writes the file, whole or not at all: looking again and again is all there is.
    while not port_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{' '.join(map(str, process.args))} did not start:\n{log.read_text()}")
        time.sleep(0.01)
    return {name: int(port) for name, port in (line.split("=") for line in port_file.read_text().split())}


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
            yield RunningServer(process, wait_for_ports(process, port_file, log), log)
        finally:
            process.terminate()
            process.wait(60)
