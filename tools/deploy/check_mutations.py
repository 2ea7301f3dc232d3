#!/usr/bin/env python3
"""Sees the checks fail: what operators are given is spoiled in one place at a time, and each time they must say so.

    tools/deploy/check_mutations.py BIN

BIN is the folder with videodiffcr-server and videodiffcr; kubectl and envoy are found by PATH. The tree itself is left as it is.
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPOILED = ("deploy", "tools/deploy", "Dockerfile", "docs")  # copied; all else is the tree's own
LINKED = ("models", "proto", "tools/torch_libraries.txt")
SERVER = "deploy/kubernetes/base/server.yaml"

GATEWAY = "deploy/envoy/gateway.yaml"
GPU = "deploy/kubernetes/overlays/gpu/server.yaml"
POLICY = "deploy/kubernetes/base/network_policy.yaml"

# What is spoiled, the file, what stands there, what shall, and what the checks must say.
MUTATIONS = [
    ("a wrong port of a Service", "deploy/kubernetes/base/services.yaml", "port: 50051", "port: 50061", "port grpc is 50061, the pod has 50051"),
    ("a wrong port of a probe", SERVER, "port: 50052", "port: 9464", "asks port 9464"),
    ("a wrong port of Envoy's", "deploy/envoy/envoy.yaml", "port_value: 50051", "port_value: 50052", "Envoy calls port 50052"),
    ("pings that the server takes for an attack", "deploy/envoy/envoy.yaml", "interval: 30s, timeout: 20s}\n      load", "interval: 3s, timeout: 2s}\n      load",
     "Envoy pings every 3s, the server takes a ping every 5s"),
    ("a flag that is missing in the server", SERVER, "--drain-timeout=50s", "--drain-time=50s", "no flag --drain-time"),
    ("a flag that is missing in the manifest", SERVER, "            - --advertised-ip=$(POD_IP)\n", "", "do not lead to their pod"),
    ("a drain that Kubernetes would cut", SERVER, "terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 50", "the grace period is 50 s"),
    ("a query of a metric that is not there", "deploy/grafana/dashboard.json", "videodiffcr_draining", "videodiffcr_drained",
     "no server has the metric"),
    ("a panel that is not there", "deploy/grafana/dashboard.json", '"title": "Budgets"', '"title": "Budget"', "no panel is called Budgets"),
]

# The same, all at once, since none hides another: the overlay, the file, what stands there, what shall, what must be said.
TOGETHER = [
    ("cpu", POLICY, "        - port: grpc\n        - port: admin\n", "        - port: grpc\n", "no policy lets gateway in to port admin of server"),
    ("cpu", POLICY, "        - port: metrics\n", "        - port: grpc\n", "no policy lets monitoring in to port metrics of server"),
    ("cpu", GATEWAY, "        - port: grpc\n        - port: admin\n", "        - port: admin\n", "no policy lets gateway out to port grpc of server"),
    ("cpu", GATEWAY, "        - port: 53\n          protocol: UDP\n", "", "no policy lets gateway ask for names by UDP"),
    ("cpu", GATEWAY, "path: /gateway/ready", "path: /gateway/health", "readinessProbe asks /gateway/health"),
    ("cpu", GATEWAY, "containerPort: 50050", "containerPort: 50060", "the gateway's port is 50060, Envoy listens on 50050"),
    ("cpu", GATEWAY, "terminationGracePeriodSeconds: 65", "terminationGracePeriodSeconds: 30", "the gateway's grace period is 30 s"),
    ("cpu", "deploy/kubernetes/base/disruption_budget.yaml", "maxUnavailable: 1", "minAvailable: 2", "0 of 2 pods may go at once"),
    ("cpu", "deploy/kubernetes/base/pod_monitor.yaml", "path: /metrics", "path: /metric", "scrapes /metric, which the server answers with 404"),
    ("cpu", SERVER, "serviceName: videodiffcr-pods", "serviceName: videodiffcr-pod", "wants the Service videodiffcr-pod,"),
    ("cpu", SERVER, "serviceAccountName: videodiffcr", "serviceAccountName: videodiffcr-server", "wants the ServiceAccount videodiffcr-server,"),
    ("cpu", SERVER, "              service: live\n", "", "livenessProbe must ask 'live'"),
    ("cpu", SERVER, "memory: 2Gi", "memory: 512Mi", "server asks for more memory than its limit"),
    ("cpu", "deploy/prometheus/prometheus.yaml", "gpu-1:9464", "gpu-1:9090", "scrapes gpu-1:9090"),
    ("cpu", "deploy/systemd/videodiffcr.service.in", "TimeoutStopSec=30", "TimeoutStopSec=10", "systemd kills after 10 s"),
    ("cpu", "deploy/envoy/envoy.yaml", "                stream_idle_timeout: 0s\n", "", "Envoy's stream_idle_timeout ends streams"),
    ("hardened", GPU, "claimName: videodiffcr-model", "claimName: videodiffcr-models", "wants the PersistentVolumeClaim videodiffcr-models,"),
    ("hardened", GPU, "            - --device=cuda\n", "", "--device=cuda and nvidia.com/gpu go together"),
    ("hardened", GPU, "mountPath: /models", "mountPath: /model", "--model-folder=/models/wan2.1-t2v-1.3b is on no volume"),
    ("hardened", "deploy/kubernetes/overlays/hardened/server.yaml", "mountPath: /tokens", "mountPath: /token", "--tokens-file=/tokens/tokens.json is on no volume"),
    ("hardened", "deploy/kubernetes/overlays/hardened/kustomization.yaml", "value: --tls-key=/tls/tls.key", "value: --log-level=info",
     "--tls-certificate and --tls-key go together"),
    ("hardened", "deploy/kubernetes/overlays/hardened/kustomization.yaml", "value: https", "value: kubernetes.io/h2c", "says kubernetes.io/h2c of port grpc"),
    ("hardened", "deploy/kubernetes/overlays/hardened/envoy.yaml", "/tls/client.key", "/tls/clients.key", "clients.key is used, and is in none of the secrets"),
    ("autoscale-hpa", "deploy/kubernetes/overlays/autoscale-hpa/autoscaler.yaml", "name: videodiffcr_kv_cache_share", "name: videodiffcr_kv_share",
     "the autoscaler wants videodiffcr_kv_share"),
    ("autoscale-keda", "deploy/kubernetes/overlays/autoscale-keda/scaled_object.yaml", "kind: StatefulSet", "kind: Deployment",
     "ScaledObject wants the Deployment videodiffcr,"),
]


def copy_tree(folder):
    for name in SPOILED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    for name in LINKED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(ROOT / name)


def check_manifests(folder, binaries, overlays=("cpu",)):
    """What check_manifests.py says of the overlays in `folder`; nothing when all holds."""
    rendered = [folder / f"{overlay}.yaml" for overlay in overlays]
    for path in rendered:
        with path.open("w") as out:
            subprocess.run(["kubectl", "kustomize", f"deploy/kubernetes/overlays/{path.stem}"], cwd=folder, stdout=out, check=True)
    done = subprocess.run([sys.executable, "tools/deploy/check_manifests.py", binaries, *rendered], cwd=folder, capture_output=True, text=True,
                          check=False, timeout=240)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def check_together(folder, binaries):
    """What is wrong with what is said of all of TOGETHER at once."""
    copy_tree(folder)
    complaints = []
    for _, path, old, new, _ in TOGETHER:
        text = (folder / path).read_text()
        if old not in text:
            complaints.append(f"{path} has no '{old}' any more")
        (folder / path).write_text(text.replace(old, new, 1))
    said = check_manifests(folder, binaries, sorted({overlay for overlay, *_ in TOGETHER}))
    return complaints + [f"{path}, '{new or old}': '{wanted}' is not said" for _, path, old, new, wanted in TOGETHER if wanted not in said]


def make_expired_certificate(folder):
    """In place of made_certificate.make_certificate(): tls.crt and tls.key of a year that is over."""
    folder = pathlib.Path(folder)
    (folder / "index.txt").touch()
    (folder / "ca.cnf").write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={folder}/index.txt\nnew_certs_dir={folder}\nrand_serial=yes\n"
                                   "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n")
    for command in (["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-keyout", "tls.key",
                     "-out", "tls.csr"],
                    ["ca", "-batch", "-selfsign", "-notext", "-config", "ca.cnf", "-in", "tls.csr", "-keyfile", "tls.key", "-out", "tls.crt",
                     "-startdate", "20240101000000Z", "-enddate", "20250101000000Z"]):
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)


def check_expired_certificate(folder, binaries):
    """What check_queries.py says, which starts a server with TLS, when its certificate has expired."""
    checks = folder / "tools/deploy/check_queries.py"
    spoil = "from check_mutations import make_expired_certificate as make_certificate\n\n\ndef main("
    checks.write_text(checks.read_text().replace("def main(", spoil, 1))
    done = subprocess.run([sys.executable, checks, binaries], cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def check_astray(folder, binaries):
    """What check_fleet.py says when Envoy looks for a session's server in another header."""
    envoy = folder / "deploy/envoy/envoy.yaml"
    envoy.write_text(envoy.read_text().replace("name: videodiffcr-server\n", "name: videodiffcr-pod\n"))
    done = subprocess.run([sys.executable, folder / "tools/deploy/check_fleet.py", shutil.which("envoy"), binaries], capture_output=True, text=True,
                          check=False, timeout=300)
    return "" if done.returncode == 0 else done.stdout + done.stderr


# Beside MUTATIONS, each with what it must say.
LONGER = [
    ("an expired certificate", check_expired_certificate, "has expired"),
    ("a gateway that leads resumes astray", check_astray, "does not hold: the gateway says which server has the session"),
]


def main(binaries):
    complaints = []
    with tempfile.TemporaryDirectory(prefix="videodiffcr_mutations_") as work:
        for number, (what, path, old, new, wanted) in enumerate([("nothing", "Dockerfile", "", "", ""), *MUTATIONS]):
            folder = pathlib.Path(work, str(number))
            copy_tree(folder)
            text = (folder / path).read_text()
            if old not in text:
                complaints.append(f"{what}: {path} has no '{old}' any more")
                continue
            (folder / path).write_text(text.replace(old, new, 1) if old else text)
            said = check_manifests(folder, binaries)
            if (wanted not in said) if wanted else said:
                complaints.append(f"{what}: the checks say: {said or 'all holds'}")
        complaints += check_together(pathlib.Path(work, "together"), binaries)
        for what, check, wanted in LONGER:
            folder = pathlib.Path(work, check.__name__)
            copy_tree(folder)
            if wanted not in (said := check(folder, binaries)):
                complaints.append(f"{what}: the checks say: {said or 'all holds'}")
    for line in complaints:
        print(line)
    return 1 if complaints else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve()))
