#!/usr/bin/env python3
"""Writes a C++ file that holds files as they are.

    embed_files.py OUTPUT.cc FILE...
"""
import pathlib
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def literal(data):
    """Short pieces: compilers limit the length of one."""
    pieces = [data[i:i + 64] for i in range(0, len(data), 64)]
    return "\n".join('    "' + "".join(f"\\{byte:03o}" for byte in piece) + '"' for piece in pieces) or '    ""'


def main():
    output, *paths = [pathlib.Path(name) for name in sys.argv[1:]]
    entries = []
    for path in paths:
        data = path.read_bytes()
        entries.append(f'    {{"{path.name}", "{TYPES[path.suffix]}", absl::string_view(\n{literal(data)},\n    {len(data)})}},')
    output.write_text("""// Made by gateway/embed_files.py.
#include "gateway/page_files.h"

namespace videodiffcr {
namespace {

const PageFile kFiles[] = {
%s
};

}  // namespace

const PageFile* FindPageFile(absl::string_view name) {
  for (const PageFile& file : kFiles) {
    if (file.name == name) return &file;
  }
  return nullptr;
}

}  // namespace videodiffcr
""" % "\n".join(entries), encoding="utf-8")


if __name__ == "__main__":
    main()
