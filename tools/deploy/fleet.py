"""Servers behind a real Envoy on one machine: deploy/envoy/envoy.yaml with other addresses."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.request

import yaml

from running_server import wait_for_ports

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60


def wait_until(condition, what, patience=PATIENCE_SECONDS):
    """Asks again and again: neither Envoy nor a server that starts tells anybody. How many seconds it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > patience:
            raise SystemExit(f"fleet: not within {patience} s: {what}")
        time.sleep(0.05)
    return time.monotonic() - began


class FleetServer:
    """One server, which may be stopped, killed and started again under the same name: on other ports, as a pod has another address, since
    somebody else may have taken the old ones meanwhile."""

    def __init__(self, name, binary, folder, flags, environment=None):
        self.name, self.binary, self.folder, self.flags = name, binary, pathlib.Path(folder), flags
        self.environment = {**os.environ, **(environment or {})}
        self.ports, self.process = None, None  # ports: of a server that is stopped, those that it had
        self.port_file, self.log = self.folder / f"{name}.ports", self.folder / f"{name}.log"

    def begin(self):
        self.port_file.unlink(missing_ok=True)
        addresses = ["--advertised-ip=127.0.0.1", "--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0",
                     f"--port-file={self.port_file}"]
        with self.log.open("a") as log:
            self.process = subprocess.Popen([self.binary, *self.flags, *addresses], stdout=log, stderr=log, env=self.environment)

    def wait_until_it_serves(self):
        self.ports = wait_for_ports(self.process, self.port_file, self.log)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(60)

    def sessions_started(self):
        return self.log.read_text().count('"event":"session_started"')


class Fleet:
    """`address` is the one that viewers use."""

    def __init__(self, envoy, binary, folder, flags):
        self.folder, self.binary = pathlib.Path(folder), binary
        self.flags = [*flags, "--log-format=json", "--behind-proxy", "--max-connection-age=0s"]
        self.servers, self.version = [], 0
        self.endpoints = self.folder / "endpoints.json"
        self.publish()
        config = self.folder / "envoy.yaml"
        config.write_text(yaml.safe_dump(self.envoy_config()))
        self.address_file = self.folder / "admin"
        log = (self.folder / "envoy.log").open("w")
        self.envoy = subprocess.Popen([envoy, "-c", config, "--admin-address-path", self.address_file, "--use-dynamic-base-id", "-l", "warning"],
                                      stdout=log, stderr=log)
        wait_until(lambda: self.address_file.exists() and self.ask("/ready").startswith("LIVE"), "Envoy serves")
        listener = json.loads(self.ask("/listeners?format=json"))["listener_statuses"][0]
        self.address = f"localhost:{listener['local_address']['socket_address']['port_value']}"

    def envoy_config(self):
        """The file as it is deployed, on free ports, with its servers' addresses from a file of their own. A probe may take longer: all
        servers and their viewers share this machine, and one that is slow is not gone."""
        config = yaml.safe_load((ROOT / "deploy/envoy/envoy.yaml").read_text())
        config["node"] = {"id": "fleet", "cluster": "fleet"}
        config["admin"]["address"]["socket_address"]["port_value"] = 0
        config["static_resources"]["listeners"][0]["address"]["socket_address"] = {"address": "127.0.0.1", "port_value": 0}
        cluster = config["static_resources"]["clusters"][0]
        for name in ("load_assignment", "dns_refresh_rate", "respect_dns_ttl"):
            cluster.pop(name)
        cluster["health_checks"][0]["timeout"] = "10s"
        cluster["type"] = "EDS"
        cluster["eds_cluster_config"] = {"eds_config": {"path_config_source": {"path": str(self.endpoints)}, "resource_api_version": "V3"}}
        return config

    def publish(self):
        """Where the servers are now, as DNS would tell."""
        self.version += 1
        endpoints = [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": server.ports["grpc_port"]}},
                                   "health_check_config": {"port_value": server.ports["admin_port"]}}} for server in self.servers]
        document = {"version_info": str(self.version), "resources": [{
            "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "servers",
            "endpoints": [{"lb_endpoints": endpoints}]}]}
        partial = self.endpoints.with_suffix(".partial")
        partial.write_text(json.dumps(document))
        os.replace(partial, self.endpoints)  # Envoy watches for a rename

    def add(self, *names, environments=None):
        """Servers that start beside each other. environments: of a name, what its server has beside the environment of this process."""
        added = [FleetServer(name, self.binary, self.folder, self.flags, (environments or {}).get(name)) for name in names]
        self.servers += added
        for server in added:
            server.begin()
        for server in added:
            server.wait_until_it_serves()
        self.publish()
        return added

    def start_again(self, server):
        """Until Envoy sends sessions to all servers."""
        server.begin()
        server.wait_until_it_serves()
        self.publish()
        self.wait_for(self.servers)

    def ask(self, path):
        try:
            with urllib.request.urlopen(f"http://{self.address_file.read_text()}{path}", timeout=5) as page:
                return page.read().decode()
        except OSError:
            return ""

    def hosts(self):
        """What Envoy says of each server, by its port."""
        clusters = json.loads(self.ask("/clusters?format=json") or '{"cluster_statuses": []}')["cluster_statuses"]
        hosts = next((each.get("host_statuses", []) for each in clusters if each["name"] == "servers"), [])
        return {host["address"]["socket_address"]["port_value"]: host for host in hosts}

    def healthy(self):
        """Ports of the servers that Envoy sends sessions to."""
        # Anything else that is said is a fault.
        return {port for port, host in self.hosts().items() if host["health_status"] == {"eds_health_status": "HEALTHY"}}

    def busiest(self):
        """The server with the most calls. One that has just come may have none of six: Envoy is slow with it."""
        hosts = self.hosts()

        def calls(server):
            stats = hosts[server.ports["grpc_port"]].get("stats", [])
            return next((int(each.get("value", 0)) for each in stats if each["name"] == "rq_active"), 0)

        return max(self.servers, key=calls)

    def membership_is(self, count):
        return f"cluster.servers.membership_healthy: {count}\n" in self.ask("/stats?filter=membership_healthy") + "\n"

    def wait_for(self, servers):
        wanted = {server.ports["grpc_port"] for server in servers}
        return wait_until(lambda: self.healthy() == wanted and self.membership_is(len(wanted)), f"Envoy sends to {sorted(wanted)}")

    def close(self):
        begun = [server.process for server in self.servers if server.process is not None]
        for process in [self.envoy, *begun]:
            if process.poll() is None:
                process.terminate()
        for process in [self.envoy, *begun]:
            process.wait(60)


@contextlib.contextmanager
def running_fleet(envoy, binary, flags):
    with tempfile.TemporaryDirectory(prefix="videodiffcr_fleet_") as folder:
        fleet = Fleet(envoy, binary, folder, flags)
        try:
            yield fleet
        finally:
            fleet.close()
