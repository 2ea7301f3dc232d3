#!/usr/bin/env python3
"""Holds tools/torch_libraries.txt to what the libraries and programs name: nothing is missing, nothing is named twice.

    tools/deploy/check_libraries.py FOLDER KIND PROGRAM...

FOLDER is LibTorch's (its wheel, and CUDA's, unpacked), KIND cpu or cuda. What a PROGRAM or a listed library names must be listed,
be Debian's (a library that this machine finds, as dpkg-shlibdeps will) or the driver's. Prints how large the listed ones are.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRIVER = {"libcuda.so.1"}
NEEDED = re.compile(r"\(NEEDED\).*\[(.*)\]")
OURS = re.compile(r"lib(torch|c10|caffe2|cu[a-z]|nv|nccl)")


def listed(kind):
    kinds = {"cpu", "cuda"} if kind == "cuda" else {"cpu"}
    lines = [line.split() for line in (ROOT / "tools/torch_libraries.txt").read_text().splitlines() if not line.startswith("#")]
    return [path for of, path in lines if of in kinds]


def needed_by(path):
    text = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
    return NEEDED.findall(text)


def known_to_the_system():
    text = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^\s(\S+) \(", text, re.MULTILINE))


def main(folder, kind, programs):
    complaints, paths = [], listed(kind)
    names = [pathlib.Path(path).name for path in paths]
    complaints += [f"{name} is listed twice" for name in sorted(set(names)) if names.count(name) > 1]
    missing = [path for path in paths if not (folder / path).is_file()]
    complaints += [f"{path} is not in {folder}" for path in missing]
    system = {name for name in known_to_the_system() if not OURS.match(name)}
    for path in [*(folder / path for path in paths if path not in missing), *programs]:
        for name in needed_by(path):
            if name not in {*names, *system, *DRIVER}:
                complaints.append(f"{path} needs {name}, which nobody brings along")
    for line in complaints:
        print(line)
    total = sum((folder / path).stat().st_size for path in paths if path not in missing)
    print(f"{len(paths)} libraries of LibTorch and CUDA, {total / 1e6:.0f} MB as their wheels have them")
    return 1 if complaints else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
