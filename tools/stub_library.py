#!/usr/bin/env python3
"""Makes a library that only satisfies the dynamic loader, in place of a real one whose code is never called.

    tools/stub_library.py REAL.so STUB.so HARMLESS IMPORTER.so...

The stub has the real library's soname and, under the same symbol versions, every symbol of it that an importer names:
functions that stop the program with an illegal instruction, and zeroed objects of the real size. Only the functions
whose names HARMLESS lists, with spaces between them, return: 0. A stub needs no library and runs no code when it is
loaded.
"""
import os
import re
import subprocess
import sys
import tempfile

FUNCTION = """.globl {0}
.type {0}, @function
{0}: {1}
"""
OBJECT = """.globl {0}
.type {0}, @object
.size {0}, {1}
.balign 32
{0}: .zero {1}
"""


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def imports_of(libraries):
    """Names with versions ("name@VERSION" or "name") that the libraries leave to others."""
    names = set()
    for library in libraries:
        for line in output_of("nm", "-D", "--undefined-only", "--with-symbol-versions", library).splitlines():
            names.add(line.split()[-1])
    return names


def exports_of(library):
    """(name, version or "", type letter of nm, size in bytes) of everything it defines."""
    for line in output_of("nm", "-D", "-S", "--defined-only", "--with-symbol-versions", library).splitlines():
        found = re.fullmatch(r"\S+ (?:(\S+) )?(\w) ([^@]+)(?:@@?(.*))?", line)
        if found and found[2] != "A":
            yield found[3], found[4] or "", found[2], int(found[1] or "0", 16)


def main(real, stub, harmless, importers):
    wanted = imports_of(importers)
    functions, objects, versions = [], [], {}
    for name, version, letter, size in exports_of(real):
        if (f"{name}@{version}" if version else name) not in wanted:
            continue
        if letter in "BDRVGS":
            objects.append(OBJECT.format(name, max(size, 8)))
        else:
            functions.append(FUNCTION.format(name, "xor %eax, %eax; ret" if name in harmless else "ud2"))
        if version:
            versions.setdefault(version, []).append(name)
    soname = re.search(r"SONAME.*\[(.*)\]", output_of("readelf", "-d", real))[1]
    with tempfile.TemporaryDirectory() as folder:
        source, script = os.path.join(folder, "stub.s"), os.path.join(folder, "versions")
        with open(source, "w") as file:
            file.write("".join([".text\n"] + functions + [".bss\n"] + objects + ['.section .note.GNU-stack,"",@progbits\n']))
        with open(script, "w") as file:
            file.writelines(f"{version} {{ global: {'; '.join(names)}; }};\n" for version, names in versions.items())
        command = ["gcc", "-shared", "-nostdlib", "-s", "-Wl,-z,noseparate-code", f"-Wl,-soname,{soname}", source, "-o", stub]
        if versions:
            command.insert(1, f"-Wl,--version-script={script}")
        subprocess.run(command, check=True)


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3].split(), sys.argv[4:])
