"""Builds the wheel of python/, installs it into a fresh environment and runs the other tests there.

    package_test.py debian   with Debian's grpcio and protobuf, without network
    package_test.py pypi     with the versions of requirements.txt, and OpenAI's client against the gateway
"""
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"])
HERE = SOURCE / "tests/python"


def run(*command, **more):
    print("+", *map(str, command), flush=True)
    subprocess.run([str(part) for part in command], check=True, **more)


def run_side_by_side(python, tests, **more):
    """Each has servers of its own, and mostly waits for them: a session is made as fast as it plays."""
    with contextlib.ExitStack() as stack:
        running = []
        for test in tests:
            log = stack.enter_context(tempfile.TemporaryFile())
            script, *words = test.split()
            running.append((test, log, subprocess.Popen([python, HERE / script, *words], stdout=log, stderr=log, **more)))
        failed = [test for test, _, process in running if process.wait() != 0]
        for test, log, _ in running:
            log.seek(0)
            print("+", test, log.read().decode(errors="replace"), sep="\n", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def main():
    kind = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="videodiffcr-wheel-") as folder:
        folder = pathlib.Path(folder)
        # Nothing is written into the source tree: setuptools builds where the sources lie.
        run("cp", "-r", SOURCE / "python", folder / "python")
        run("cp", "-r", SOURCE / "proto", folder / "python/proto")
        run("/usr/bin/python3", "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index",
            "-w", folder, folder / "python")
        wheel, = folder.glob("videodiffcr-*.whl")
        options = ["--system-site-packages"] if kind == "debian" else []
        run("/usr/bin/python3", "-m", "venv", *options, folder / "venv")
        python = folder / "venv/bin/python"
        if kind == "pypi":
            run(python, "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt")
        run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        tests = ["course_test.py", "client_test.py", "recovery_test.py CutConnectionTest",
                 "recovery_test.py LostServerTest", "examples_test.py"]
        if kind == "pypi":
            tests.append("openai_test.py")
        run_side_by_side(python, tests, env=environment, cwd=folder)


if __name__ == "__main__":
    main()
