#!/usr/bin/env python3
"""TLS on both sides, tokens, and certificates that change under a running server: by openssl and by gRPC's Python client.

    tools/deploy/check_tls.py BIN
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import grpc

from check_mutations import make_expired_certificate
from running_server import running_server
from viewer import messages, stubs

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30


def require(condition, what):
    if not condition:
        raise SystemExit(f"tls: does not hold: {what}")


def make_certificate(folder, name):
    """NAME.crt and NAME.key, signed by itself, so that whoever trusts the one trusts the other. Replaced by a rename, the key first."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    f"/CN={name}", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/{name}.key.new", "-out",
                    f"{folder}/{name}.crt.new"], check=True, capture_output=True)
    for kind in ("key", "crt"):
        pathlib.Path(folder, f"{name}.{kind}.new").rename(pathlib.Path(folder, f"{name}.{kind}"))


def served(port, folder):
    """What openssl sees, who comes with a certificate of its own."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{port}", "-alpn", "h2", "-CAfile", f"{folder}/server.crt", "-cert",
                           f"{folder}/client.crt", "-key", f"{folder}/client.key"], input="", capture_output=True, text=True,
                          errors="replace", check=False, timeout=30)  # HTTP/2 is not text
    return done.stdout


def fingerprint(text):
    return subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=text, capture_output=True, text=True,
                          check=False).stdout


def ask(port, folder, token=None, with_certificate=True):
    """GetServerInfo by the Python client: its code."""
    own = [pathlib.Path(folder, name).read_bytes() for name in ("client.key", "client.crt")] if with_certificate else [None, None]
    credentials = grpc.ssl_channel_credentials(pathlib.Path(folder, "server.crt").read_bytes(), *own)
    with grpc.secure_channel(f"localhost:{port}", credentials, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            stubs.VideoGenerationServiceStub(channel).GetServerInfo(messages.GetServerInfoRequest(), timeout=10,
                                                                    metadata=[("authorization", f"Bearer {token}")] if token else [])
            return grpc.StatusCode.OK
        except grpc.RpcError as error:
            return error.code()


def replace(path, content):
    partial = path.with_suffix(".new")
    partial.write_bytes(content)
    partial.rename(path)


def check_spoiled_files(running, folder, token):
    """While the server's files hold what it cannot use, it serves on with what they held before, and counts that."""
    good = {name: (folder / name).read_bytes() for name in ("server.key", "server.crt", "client.crt")}
    for name in ("mine", "over"):
        (folder / name).mkdir()
    for name in (*good, "client.key"):
        (folder / "mine" / name).write_bytes((folder / name).read_bytes())
    make_expired_certificate(folder / "over")
    expired = {"server.key": (folder / "over/tls.key").read_bytes(), "server.crt": (folder / "over/tls.crt").read_bytes()}
    told = 0
    for what, spoiled in (("a foreign key", {"server.key": (folder / "client.key").read_bytes()}), ("an expired certificate", expired),
                          ("authorities that are none", {"client.crt": b"none"})):
        for name, content in {**good, **spoiled}.items():
            replace(folder / name, content)
        deadline = time.monotonic() + PATIENCE_SECONDS
        before = told
        while (told := int(re.search(r"^videodiffcr_access_failed_reloads_total (\d+)", running.metrics(), re.MULTILINE)[1])) <= before:
            require(time.monotonic() < deadline, f"{what} is counted")
            time.sleep(0.1)
        require(ask(running.ports["grpc_port"], folder / "mine", token) == grpc.StatusCode.OK, f"with {what} it serves on with what it had")


def main(binaries):
    server = pathlib.Path(binaries, "videodiffcr-server")
    with tempfile.TemporaryDirectory() as folder:
        for name in ("server", "client"):
            make_certificate(folder, name)
        added = subprocess.run([server, "tokens", "add", "--tokens-file", f"{folder}/tokens.json", "acme"], capture_output=True, text=True, check=True)
        token = re.search(r"\b[A-Za-z0-9_-]{30,}\b", added.stdout)[0]
        flags = ["--model-folder", str(ROOT / "models/tiny"), "--warm-up-chunks=0", f"--tls-certificate={folder}/server.crt",
                 f"--tls-key={folder}/server.key", f"--tls-client-ca={folder}/client.crt", f"--tokens-file={folder}/tokens.json"]
        with running_server(server, flags) as running:
            port = running.ports["grpc_port"]
            seen = served(port, folder)
            require("Verify return code: 0 (ok)" in seen and "ALPN protocol: h2" in seen, f"openssl is served h2 by a certificate it trusts: {seen}")
            require(fingerprint(seen) == fingerprint(pathlib.Path(folder, "server.crt").read_text()), "it is the certificate of the file")
            require(ask(port, folder, token) == grpc.StatusCode.OK, "the Python client comes in with certificate and token")
            require(ask(port, folder) == grpc.StatusCode.UNAUTHENTICATED, "without a token it is UNAUTHENTICATED")
            require(ask(port, folder, token, with_certificate=False) == grpc.StatusCode.UNAVAILABLE, "without a certificate there is no connection")
            before = fingerprint(seen)
            make_certificate(folder, "server")
            began = time.monotonic()
            while fingerprint(served(port, folder)) == before:
                require(time.monotonic() - began < PATIENCE_SECONDS, "a certificate that has changed is served")
            took = time.monotonic() - began
            require(ask(port, folder, token) == grpc.StatusCode.OK, "the Python client, who trusts the new one alone, comes in")
            check_spoiled_files(running, pathlib.Path(folder), token)
    print(f"openssl and the Python client: mTLS and a token; a new certificate was served after {took:.1f} s, none that cannot be used")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
