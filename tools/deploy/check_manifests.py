#!/usr/bin/env python3
"""Holds the manifests, the image and the systemd unit to the real programs: flags, ports, probes, paths, metric names.

    tools/deploy/check_manifests.py BIN RENDERED...

BIN is the folder with videodiffcr-server and videodiffcr, RENDERED an overlay as kustomize renders it. Prints one line for
each thing that does not agree, and exits 1 when there is any.
"""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import yaml

from check_references import check_references
from made_certificate import make_certificate
from running_server import running_server

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADDRESS_FLAGS = {"grpc": "--listen", "metrics": "--metrics-listen", "admin": "--admin-listen"}
METRIC = re.compile(r"\b(?:videodiffcr|process)_[a-z0-9_]+\b")
HISTOGRAM_SUFFIX = re.compile(r"_(?:bucket|sum|count)$")

complaints = []


def complain(where, what):
    complaints.append(f"{where}: {what}")


def expect(condition, where, what):
    if not condition:
        complain(where, what)


def port_of(flags, name):
    value = next((flag.split("=", 1)[1] for flag in flags if flag.startswith(name + "=")), "")
    return int(value.rsplit(":", 1)[1]) if ":" in value else None


def seconds(flags, name, default):
    value = next((flag.split("=", 1)[1] for flag in flags if flag.startswith(name + "=")), default)
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    number, unit = re.fullmatch(r"([0-9.]+)(ms|s|m|h)", value).groups()
    return float(number) * units[unit]


def check_flags(where, server, flags):
    """The server's own reader judges them; --diagnose then starts nothing."""
    done = subprocess.run([server, *flags, "--diagnose"], capture_output=True, text=True, check=False, timeout=60)
    expect(done.returncode == 0, where, f"the server refuses its flags: {done.stderr.strip()}")


def check_probes(where, container, admin_port, services):
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container.get(kind, {}).get("grpc")
        if probe is None:
            complain(where, f"has no {kind} by gRPC")
            continue
        expect(probe["port"] == admin_port, where, f"{kind} asks port {probe['port']}, probes are on {admin_port}")
        services.add(probe.get("service", ""))


def with_environment(where, container):
    """The container's flags, with what Kubernetes puts in place of $(NAME)."""
    known = {"status.podIP": "10.1.2.3"}
    values = {each["name"]: known.get(each.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")) for each in container.get("env", [])}

    def value_of(match):
        expect(values.get(match[1]), where, f"$({match[1]}) is nothing that this pod has")
        return values.get(match[1]) or ""

    return [re.sub(r"\$\((\w+)\)", value_of, flag) for flag in container["args"]]


def check_behind_envoy(where, flags):
    """Envoy carries many calls on each connection, and finds the server of a session by its token."""
    expect("--behind-proxy" in flags, where, "servers behind Envoy want --behind-proxy")
    expect(seconds(flags, "--max-connection-age", "30m") == 0, where, "an Envoy connection that is told to make way cuts the calls on it: "
           "--max-connection-age=0s is wanted")
    expect("--advertised-ip=10.1.2.3" in flags, where, "tokens do not lead to their pod: --advertised-ip=$(POD_IP) is wanted, of status.podIP")


def check_server(where, workload, binary, services, started):
    """Of the pod template: flags, ports, probes, the time that an end may take. `started` is told its flags."""
    pod = workload["spec"]["template"]["spec"]
    container = next(each for each in pod["containers"] if each["name"] == "server")
    flags = with_environment(where, container)
    started[where] = flags
    check_behind_envoy(where, flags)
    # Files that only the cluster has.
    local = [flag for flag in flags if not flag.startswith(("--model-folder=", "--tls-", "--tokens-file=", "--snapshot-key-file="))]
    check_flags(where, binary, local)
    help_text = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
    for flag in flags:
        name = flag.split("=")[0].removeprefix("--no-").removeprefix("--")
        expect(re.search(rf"--(?:no-)?{re.escape(name)}\b", help_text), where, f"the server has no flag --{name}")
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for name, flag in ADDRESS_FLAGS.items():
        expect(ports.get(name) == port_of(flags, flag), where, f"port {name} is {ports.get(name)}, {flag} says {port_of(flags, flag)}")
    check_probes(where, container, ports.get("admin"), services)
    needed = container["lifecycle"]["preStop"]["sleep"]["seconds"] + seconds(flags, "--drain-timeout", "25s") + 1
    grace = pod["terminationGracePeriodSeconds"]
    expect(grace > needed, where, f"the grace period is {grace} s, preStop, drain and taking down need {needed} s")
    return ports


def ports_of_pods(documents):
    """{component: {port name: number}} of all pod templates."""
    found = {}
    for document in documents:
        if document["kind"] in ("StatefulSet", "Deployment"):
            template = document["spec"]["template"]
            named = {port["name"]: port["containerPort"] for each in template["spec"]["containers"] for port in each.get("ports", [])}
            found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = named
    return found


def check_port_names(where, documents, pods, paths):
    """Whoever names a port of a pod names one that it has. `paths` gets those that are scraped."""
    for document in documents:
        kind, spec, name = document["kind"], document.get("spec", {}), document["metadata"]["name"]
        here = f"{where}: {kind} {name}"
        if kind == "Service":
            component = spec["selector"]["app.kubernetes.io/component"]
            for port in spec["ports"]:
                number = pods.get(component, {}).get(port["targetPort"])
                expect(number is not None, here, f"{component} has no port {port['targetPort']}")
                # Behind a headless service nobody translates ports.
                same = spec.get("clusterIP") != "None" or port["port"] == number
                expect(same, here, f"port {port['name']} is {port['port']}, the pod has {number}")
        elif kind == "PodMonitor":
            component = spec["selector"]["matchLabels"]["app.kubernetes.io/component"]
            for endpoint in spec["podMetricsEndpoints"]:
                expect(endpoint["port"] in pods.get(component, {}), here, f"{component} has no port {endpoint['port']}")
                paths.add(endpoint["path"])
        elif kind == "NetworkPolicy":
            component = spec["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
            for rule in spec.get("ingress", []):
                for port in rule.get("ports", []):
                    expect(port["port"] in pods.get(component, {}), here, f"{component} has no port {port['port']}")


def default_of(binary, flag):
    help_text = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
    return re.search(rf"{flag} \w+\n(?:.*\n)*?\s+Default: ([0-9.a-z]+)\.", help_text)[1]


def check_pings(where, cluster, binary):
    """A server ends the connection, and with it all sessions on it, of who pings too often."""
    least = default_of(binary, "--min-ping-interval")
    options = cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
    pings = options["explicit_http_config"]["http2_protocol_options"]["connection_keepalive"]["interval"]
    expect(seconds([], "", pings) > seconds([], "", least), where, f"Envoy pings every {pings}, the server takes a ping every {least}")


def envoy_of(documents):
    config = next(each for each in documents if each["kind"] == "ConfigMap" and "envoy.yaml" in each["data"])
    return yaml.safe_load(config["data"]["envoy.yaml"])["static_resources"]


def check_envoy(where, documents, ports, binary):
    """The gateway's ports, the service that it asks after and its pings are what the server has and takes."""
    envoy = envoy_of(documents)
    cluster = envoy["clusters"][0]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    address = endpoint["address"]["socket_address"]
    expect(address["port_value"] == ports["grpc"], where, f"Envoy calls port {address['port_value']}, the server has {ports['grpc']}")
    probe = endpoint["health_check_config"]["port_value"]
    expect(probe == ports["admin"], where, f"Envoy probes port {probe}, the server has {ports['admin']}")
    headless = [each["metadata"]["name"] for each in documents if each["kind"] == "Service" and each["spec"].get("clusterIP") == "None"]
    expect(address["address"] in headless, where, f"Envoy looks up {address['address']}, there is {headless}")
    check_pings(where, cluster, binary)
    return {check["grpc_health_check"]["service_name"] for check in cluster["health_checks"]}


def metric_names(text):
    return {HISTOGRAM_SUFFIX.sub("", name) for name in METRIC.findall(text)}


def check_metrics(where, text, known):
    for name in sorted(metric_names(text) - known):
        complain(where, f"no server has the metric {name}")


def check_same_rules(documents):
    here = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())["groups"]
    there = next(each for each in documents if each["kind"] == "PrometheusRule")["spec"]["groups"]
    expect(here == there, "PrometheusRule", "differs from deploy/prometheus/rules.yaml")
    for rule in (rule for group in here for rule in group["rules"] if "alert" in rule):
        page = ROOT / rule["annotations"]["runbook_url"]
        expect(page.is_file(), rule["alert"], f"has no page {page.relative_to(ROOT)}")
        expect(page.stem == rule["alert"], rule["alert"], f"points to the page of {page.stem}")


def check_pages(binary):
    """Each page of an alert has its three parts, and names panels and flags that there are."""
    panels = {panel["title"] for panel in json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())["panels"]}
    help_text = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True).stdout
    for page in ROOT.glob("docs/runbooks/*.md"):
        text = page.read_text()
        meaning, *parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
        expect(len(meaning.splitlines()) > 2 and parts[::2] == ["What to look at", "What to do"], page.name, f"has the parts {parts[::2]}")
        for panel in re.findall(r"\b[Pp]anel \*([^*]+)\*", text):
            expect(" ".join(panel.split()) in panels, page.name, f"no panel is called {panel}")
        # A flag alone in its quotes is the server's; those of other programs stand behind them.
        for flag in re.findall(r"`(--[a-z-]+)`", text):
            expect(re.search(rf"{flag}\b", help_text), page.name, f"the server has no flag {flag}")


def check_image(binary, ports):
    text = (ROOT / "Dockerfile").read_text()
    commands = [json.loads(found) for found in re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)]
    expect(len(commands) == 2, "Dockerfile", f"has {len(commands)} commands for its two images")
    exposed = {int(port) for port in re.search(r"^EXPOSE (.*)$", text, re.MULTILINE)[1].split()}
    expect(exposed == set(ports.values()), "Dockerfile", f"exposes {exposed}, the server has {set(ports.values())}")
    for command in commands:
        check_flags("Dockerfile", binary, [flag for flag in command if not flag.startswith("--model-folder=")])
        for name, flag in ADDRESS_FLAGS.items():
            expect(port_of(command, flag) == ports[name], "Dockerfile", f"{flag} has another port than the manifests")
    expect(f'"localhost:{ports["admin"]}"' in text, "Dockerfile", "HEALTHCHECK does not ask the port for probes")


def check_unit(binary):
    text = (ROOT / "deploy/systemd/videodiffcr.default.in").read_text()
    flags = shlex.split(re.search(r'^VIDEODIFFCR_FLAGS="(.*)"$', text, re.MULTILINE)[1])
    check_flags("videodiffcr.default", binary, flags)
    unit = (ROOT / "deploy/systemd/videodiffcr.service.in").read_text()
    stop, drain = int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[1]), seconds(flags, "--drain-timeout", default_of(binary, "--drain-timeout"))
    expect(stop > drain + 1, "videodiffcr.service", f"systemd kills after {stop} s, drain and taking down need {drain + 1} s")


def check_secrets():
    """Files that only a cluster has are those that are said to be made for it."""
    overlay = ROOT / "deploy/kubernetes/overlays/hardened"
    text = (overlay / "kustomization.yaml").read_text()
    made = set(re.findall(r"--from-file=(\S+)", text))
    for used in sorted(set(re.findall(r"=/(?:tls|tokens|snapshots)/(\S+)", text)) | set(re.findall(r"filename: /tls/([\w.]+)", (overlay / "envoy.yaml").read_text()))):
        expect(used in made, "hardened", f"{used} is used, and is in none of the secrets that its first lines make")


def check_scraped_port(ports):
    """The example without Kubernetes asks the port that the server has without flags and with those of the manifests."""
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text())
    for target in config["scrape_configs"][0]["static_configs"][0]["targets"]:
        expect(target.endswith(f":{ports['metrics']}"), "prometheus.yaml", f"scrapes {target}, metrics are on port {ports['metrics']}")


def check_running(folder, services, paths):
    """Against a server that runs: every probed service and scraped path answers, and every metric that anybody names is there."""
    with running_server(folder / "videodiffcr-server", ["--model-folder", str(ROOT / "models/tiny"), "--warm-up-chunks=0"]) as server:
        for service in sorted(services):
            done = subprocess.run([folder / "videodiffcr", "health", "--server", f"localhost:{server.ports['admin_port']}", f"--service={service}"],
                                  capture_output=True, text=True, check=False, timeout=60)
            expect(done.returncode == 0, f"probe of '{service}'", done.stderr.strip())
        for path in sorted(paths):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{server.ports['metrics_port']}{path}", timeout=10).close()
            except urllib.error.HTTPError as error:
                complain("PodMonitor", f"scrapes {path}, which the server answers with {error.code}")
        known = metric_names(server.metrics()) | {"process_start_time_seconds"}
    for path in (*ROOT.glob("deploy/**/*.yaml"), ROOT / "deploy/grafana/dashboard.json", *ROOT.glob("docs/runbooks/*.md"), ROOT / "docs/operating.md"):
        # What the Prometheus adapter calls its figures is its own.
        text = re.sub(r"(?m)^(\s*as:|\s*name:) videodiffcr_(?:waiting_sessions|kv_cache_share)$", "", path.read_text())
        check_metrics(path.relative_to(ROOT), text, known)


def make_secrets(binary, folder):
    """What the secrets of an overlay hold, by the same names, all in one folder."""
    make_certificate(folder)
    shutil.copy(folder / "tls.crt", folder / "client_ca.crt")
    (folder / "snapshot.key").write_bytes(os.urandom(32))
    subprocess.run([binary, "tokens", "add", "--tokens-file", folder / "tokens.json", "acme"], capture_output=True, check=True)


def flags_here(flags, secrets):
    """The same server on this machine: the tiny model on the CPU, made secrets; ports are whoever's who starts it."""
    elsewhere = ("--model-folder=", "--device=", "--precision=", *(f"{flag}=" for flag in ADDRESS_FLAGS.values()))
    kept = [re.sub(r"=/(?:tls|tokens|snapshots)/", f"={secrets}/", flag) for flag in flags if not flag.startswith(elsewhere)]
    return [*kept, f"--model-folder={ROOT / 'models/tiny'}", "--warm-up-chunks=0"]


def check_starts(folder, started):
    """With all flags of its overlay at once each server comes up and serves: flags that are right one by one may not go together."""
    server, tried = folder / "videodiffcr-server", set()
    with tempfile.TemporaryDirectory() as secrets:
        make_secrets(server, pathlib.Path(secrets))
        for overlay, flags in started.items():
            here = flags_here(flags, secrets)
            if tuple(here) in tried:
                continue
            tried.add(tuple(here))
            try:
                with running_server(server, here) as running:
                    done = subprocess.run([folder / "videodiffcr", "health", "--server", f"localhost:{running.ports['admin_port']}"], capture_output=True,
                                          text=True, check=False, timeout=60)
                    expect(done.returncode == 0, overlay, f"its server is not healthy: {done.stderr.strip()}")
            except SystemExit as failed:
                complain(overlay, str(failed))


def check_same_gateway():
    """hardened has TLS on both sides, and nothing else of its own."""
    plain = yaml.safe_load((ROOT / "deploy/envoy/envoy.yaml").read_text())
    hardened = yaml.safe_load((ROOT / "deploy/kubernetes/overlays/hardened/envoy.yaml").read_text())
    cluster, listener = hardened["static_resources"]["clusters"][0], hardened["static_resources"]["listeners"][0]
    for holder, name in ((listener["filter_chains"][0], "transport_socket"), (cluster, "transport_socket"), (cluster, "transport_socket_matches"),
                         (cluster["health_checks"][0], "transport_socket_match_criteria")):
        expect(holder.pop(name, None), "hardened/envoy.yaml", f"has no {name}")
    expect(plain == hardened, "hardened/envoy.yaml", "differs from deploy/envoy/envoy.yaml in more than TLS")


def main(folder, rendered):
    services, ports, paths, started = set(), {}, set(), {}
    for path in rendered:
        documents = [each for each in yaml.safe_load_all(pathlib.Path(path).read_text()) if each]
        overlay = pathlib.Path(path).stem
        workload = next(each for each in documents if each["kind"] == "StatefulSet")
        ports = check_server(overlay, workload, folder / "videodiffcr-server", services, started)
        check_port_names(overlay, documents, ports_of_pods(documents), paths)
        for what in check_references(documents, envoy_of(documents)):
            complain(overlay, what)
        services |= check_envoy(overlay, documents, ports, folder / "videodiffcr-server")
        check_same_rules(documents)
    check_same_gateway()
    check_pages(folder / "videodiffcr-server")
    check_image(folder / "videodiffcr-server", ports)
    check_unit(folder / "videodiffcr-server")
    check_secrets()
    check_scraped_port(ports)
    check_running(folder, services, paths)
    check_starts(folder, started)
    for line in complaints:
        print(line)
    return 1 if complaints else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2:]))
