"""A tool of tools/ over a small tree of made-up files."""
import os
import pathlib
import subprocess
import sys
import tempfile


def _run(tool, *arguments):
    script = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"], "tools", tool)
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def check_repository(tool):
    """Exit status and output of `tool` over this repository."""
    return _run(tool)


def check(tool, files):
    """Exit status and output of `tool` over a tree with these files: {path: text}."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return _run(tool, root)
