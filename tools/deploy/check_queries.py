#!/usr/bin/env python3
"""Asks every query of the dashboard and the rules of a real Prometheus that scrapes two real servers under load.

    tools/deploy/check_queries.py BIN [PICTURE.png]

BIN is the folder with videodiffcr-server. Prints one line for each query without data, and exits 1 when there is any. With
PICTURE, draws the dashboard's panels from the same queries.
"""
import contextlib
import json
import math
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import grpc
import yaml

from made_certificate import make_certificate
from running_server import running_server
from viewer import Viewer

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOAD_SECONDS = 45
UNITS = {"s": "seconds", "percentunit": "share", "bytes": "bytes", "Bps": "bytes per second"}
SELECTOR = re.compile(r"\b(?:(?:videodiffcr|process)_\w+|videodiffcr:[\w:]+|up)\b(?:\{[^}]*\})?")


class Prometheus:
    def __init__(self, address):
        self.address = address

    def get(self, path, **parameters):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=10) as page:
            return json.load(page)["data"]["result"]

    def has_data(self, query):
        """A finite value now, or at any second of the load's last half."""
        now = time.time()
        series = self.get("query_range", query=query, start=now - LOAD_SECONDS / 2, end=now, step=1)
        return any(math.isfinite(float(value)) for each in series for _, value in each["values"])


@contextlib.contextmanager
def running_prometheus(servers):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(ROOT / "deploy/prometheus/rules.yaml")]
        config.pop("alerting")
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{server.ports['metrics_port']}" for server in servers]
        pathlib.Path(folder, "config.yaml").write_text(yaml.safe_dump(config))
        process = subprocess.Popen(["prometheus", f"--config.file={folder}/config.yaml", f"--storage.tsdb.path={folder}/data",
                                    f"--web.listen-address={address}", "--log.level=error"])
        try:
            yield Prometheus(address)
        finally:
            process.terminate()
            process.wait(30)


def load(plain, with_tls, certificate):
    """Sessions of all kinds: in time, at lower budgets, cancelled, and more of them than a server takes."""
    credentials = grpc.ssl_channel_credentials(pathlib.Path(certificate).read_bytes())
    end = time.monotonic() + LOAD_SECONDS
    while time.monotonic() < end:
        viewers = [Viewer(f"localhost:{server.ports['grpc_port']}", 4, budget=budget, cancel_after=cancel, credentials=believed)
                   for server, believed in ((plain, None), (with_tls, credentials))
                   for budget, cancel in ((1.0, None), (0.7, None), (1.0, 2))]
        for viewer in viewers:
            viewer.start()
        for viewer in viewers:
            viewer.join()


def dashboard_queries():
    """(panel's title, its unit, [(query, legend)])."""
    dashboard = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
    for panel in dashboard["panels"]:
        targets = [(re.sub(r"\$(model|pod)\b", ".*", target["expr"]).replace("$__rate_interval", "20s"), target["legendFormat"])
                   for target in panel["targets"]]
        yield panel["title"], panel["fieldConfig"]["defaults"]["unit"], targets


def rule_queries():
    """(rule's name, query): what a rule records, and what an alert looks at."""
    for group in yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            if "record" in rule:
                yield rule["record"], rule["record"]
            else:
                for selector in SELECTOR.findall(rule["expr"]):
                    yield rule["alert"], selector


def autoscaler_queries():
    scaled = yaml.safe_load((ROOT / "deploy/kubernetes/overlays/autoscale-keda/scaled_object.yaml").read_text())
    for trigger in scaled["spec"]["triggers"]:
        yield "KEDA", trigger["metadata"]["query"]
    adapter = yaml.safe_load((ROOT / "deploy/kubernetes/overlays/autoscale-hpa/prometheus_adapter.yaml").read_text())
    for rule in adapter["rules"]:
        query = rule["metricsQuery"].replace(",<<.LabelMatchers>>", "").replace("<<.LabelMatchers>>", "").replace("<<.GroupBy>>", "pod")
        yield rule["name"]["as"], query


def draw(prometheus, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    panels = list(dashboard_queries())
    columns = 3
    figure, grid = pyplot.subplots(math.ceil(len(panels) / columns), columns, figsize=(16, 2.4 * math.ceil(len(panels) / columns)))
    end = time.time()
    for axes, (title, unit, targets) in zip(grid.flat, panels):
        for query, legend in targets:
            for series in prometheus.get("query_range", query=query, start=end - LOAD_SECONDS, end=end, step=1):
                name = re.sub(r"\{\{(\w+)\}\}", lambda match: series["metric"].get(match[1], ""), legend)
                points = [(float(at) - end, float(value)) for at, value in series["values"]]
                axes.plot(*zip(*points), linewidth=1, label=name.replace("127.0.0.1:", "server "))
        if len(axes.lines) > 0 and axes.get_ylim()[1] - axes.get_ylim()[0] < 1e-3 * abs(axes.get_ylim()[1]):
            axes.set_ylim(0, 1.2 * axes.get_ylim()[1])  # a level line, not a magnified drift
        axes.set_title(f"{title} ({UNITS[unit]})" if unit in UNITS else title, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=6, loc="upper left")
    for axes in list(grid.flat)[len(panels):]:
        axes.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=70)


def main(folder, picture):
    flags = ["--model-folder", str(ROOT / "models/tiny"), "--max-sessions=2", "--max-waiting-sessions=0", "--threads=1"]
    binary = pathlib.Path(folder, "videodiffcr-server")
    dead = []
    with contextlib.ExitStack() as stack:
        certificates = stack.enter_context(tempfile.TemporaryDirectory())
        make_certificate(certificates)
        tls = [f"--tls-certificate={certificates}/tls.crt", f"--tls-key={certificates}/tls.key"]
        plain, with_tls = stack.enter_context(running_server(binary, flags)), stack.enter_context(running_server(binary, [*flags, *tls]))
        prometheus = stack.enter_context(running_prometheus([plain, with_tls]))
        load(plain, with_tls, f"{certificates}/tls.crt")
        if prometheus.has_data('videodiffcr_ready{pod="nobody"}'):
            dead.append("this check takes a query without data for one with data")
        for title, _, targets in dashboard_queries():
            dead += [f"dashboard, {title}: {query}" for query, _ in targets if not prometheus.has_data(query)]
        for name, query in (*rule_queries(), *autoscaler_queries()):
            if not prometheus.has_data(query):
                dead.append(f"{name}: {query}")
        if picture:
            draw(prometheus, picture)
    for line in dead:
        print(f"no data: {line}")
    return 1 if dead else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
