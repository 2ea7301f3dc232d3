#!/usr/bin/env python3
"""Keeps a trained model as its difference from the model that it began with, in a quarter of the room, and makes it again.

  tools/keep_model.py pack   BASE MODEL FILE    writes FILE from the model folder MODEL
  tools/keep_model.py unpack BASE FILE MODEL    makes the model folder MODEL, the same bits each time

Weights that BASE has too are rounded to multiples of a quarter of what their tensor moved by (the root mean square of the
difference, as a power of two), everything else is kept as it is. So what comes back is not quite MODEL: judge what `unpack` made, and
its figures can be repeated from FILE. Example: a model of docs/results.md, which says where the files are.

  tools/keep_model.py unpack out/third_round/models/tiny out/kept/flexidit-5-1.kept out/methods/models/flexidit-5-1
"""

import array
import hashlib
import json
import lzma
import math
import pathlib
import struct
import sys

FORMAT = "videodiffcr kept model 1"
STEPS_PER_MOVE = 4
CODES = {"F16": "e", "F32": "f"}


class KeepError(Exception):
    """What the caller has to know, in a sentence."""


def entries_of(head):
    """What the bytes before a safetensors file's tensors say of each, by name."""
    return {name: entry for name, entry in json.loads(head[8:]).items() if name != "__metadata__"}


def read_tensors(data):
    """The tensors of a safetensors file in the order of their bytes, name -> (dtype, bytes), and the bytes before them."""
    (length,) = struct.unpack_from("<Q", data)
    start = 8 + length
    tensors = {}
    for name, entry in sorted(entries_of(data[:start]).items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        tensors[name] = (entry["dtype"], data[start + begin : start + end])
    return tensors, data[:start]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def numbers(dtype, data):
    code = CODES[dtype]
    return struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data)


def step_of(differences):
    """The power of two that differences are rounded to multiples of: 16 bits must hold each; 0 where nothing moved."""
    move = math.sqrt(sum(one * one for one in differences) / len(differences))
    if not math.isfinite(move):
        raise KeepError("a weight is not finite")
    if move == 0.0:
        return 0.0
    most = max(map(abs, differences))
    return 2.0 ** max(round(math.log2(move / STEPS_PER_MOVE)), math.ceil(math.log2(most / 32000)))


def pack_tensor(dtype, data, base):
    """(step, bytes): the step and the two planes of bytes of zigzag multiples, or None and the tensor as it is."""
    if base is None or base[0] != dtype or len(base[1]) != len(data) or dtype not in CODES or not data:
        return None, data
    differences = [one - other for one, other in zip(numbers(dtype, data), numbers(dtype, base[1]))]
    step = step_of(differences)
    if step == 0.0:
        return step, b""
    multiples = [round(one / step) for one in differences]
    planes = array.array("H", [2 * one if one >= 0 else -2 * one - 1 for one in multiples])
    if sys.byteorder == "big":
        planes.byteswap()
    planes = planes.tobytes()
    return step, planes[0::2] + planes[1::2]


def unpack_tensor(dtype, step, planes, base):
    if step == 0.0:
        return base
    count = len(planes) // 2
    values = numbers(dtype, base)
    multiples = (low + 256 * high for low, high in zip(planes[:count], planes[count:]))
    made = [value + step * (one // 2 if one % 2 == 0 else -(one + 1) // 2) for value, one in zip(values, multiples)]
    return struct.pack(f"<{count}{CODES[dtype]}", *made)


def pack_file(data, base, is_tensors):
    """What the header says of a file, and its bytes in the body."""
    if data == base:
        return {"same": True, "sha256": digest(data)}, b""
    if not is_tensors:
        return {"bytes": len(data), "sha256": digest(data)}, data
    tensors, head = read_tensors(data)
    base_tensors = read_tensors(base)[0] if base is not None else {}
    kept, body = [], []
    for name, (dtype, content) in tensors.items():
        step, packed = pack_tensor(dtype, content, base_tensors.get(name))
        kept.append([name, step, len(packed)])
        body.append(packed)
    body = b"".join(body)
    entry = {"head": head.decode("latin-1"), "tensors": kept}
    entry["sha256"] = digest(unpack_file(entry, iter_bytes(body), base))
    return entry, body


def iter_bytes(data):
    """A function that takes the next bytes of `data`."""
    place = 0

    def take(count):
        nonlocal place
        place += count
        if place > len(data):
            raise KeepError("the file ends too early")
        return data[place - count : place]

    return take


def unpack_file(entry, take, base):
    if entry.get("same"):
        return base
    if "bytes" in entry:
        return take(entry["bytes"])
    head = entry["head"].encode("latin-1")
    entries = entries_of(head)
    base_tensors = read_tensors(base)[0] if base is not None else {}
    parts = [head]
    for name, step, length in entry["tensors"]:
        packed = take(length)
        parts.append(packed if step is None else unpack_tensor(entries[name]["dtype"], step, packed, base_tensors[name][1]))
    return b"".join(parts)


def files_of(folder):
    if not folder.is_dir():
        raise KeepError(f"{folder} is no folder")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def pack(base_folder, model, file):
    base = files_of(base_folder)
    files, body, bases = {}, [], {}
    for name, data in files_of(model).items():
        files[name], packed = pack_file(data, base.get(name), name.endswith(".safetensors"))
        body.append(packed)
        if name in base and "bytes" not in files[name]:
            bases[name] = digest(base[name])
    header = json.dumps({"format": FORMAT, "base": bases, "files": files}).encode()
    whole = struct.pack("<Q", len(header)) + header + b"".join(body)
    partial = file.with_name(file.name + ".partial")
    partial.write_bytes(lzma.compress(whole, preset=1))
    partial.replace(file)


def unpack(base_folder, file, model):
    take = iter_bytes(lzma.decompress(file.read_bytes()))
    header = json.loads(take(struct.unpack("<Q", take(8))[0]))
    if header.get("format") != FORMAT:
        raise KeepError(f"{file} is not of the format '{FORMAT}'")
    base = files_of(base_folder)
    for name, wanted in header["base"].items():
        if digest(base.get(name, b"")) != wanted:
            raise KeepError(f"{base_folder / name} is not the file that {file} was made against")
    model.mkdir(parents=True, exist_ok=True)
    for name, entry in header["files"].items():
        if pathlib.PurePath(name).name != name:
            raise KeepError(f"{file} names the file '{name}', which is no plain name")
        data = unpack_file(entry, take, base.get(name))
        if digest(data) != entry["sha256"]:
            raise KeepError(f"{name} of {file} did not come back as it was kept")
        (model / name).unlink(missing_ok=True)
        (model / name).write_bytes(data)


def main(arguments):
    if len(arguments) != 4 or arguments[0] not in ("pack", "unpack"):
        print(__doc__.strip())
        return 0 if arguments in (["--help"], ["-h"]) else 2
    try:
        (pack if arguments[0] == "pack" else unpack)(*map(pathlib.Path, arguments[1:]))
    except KeepError as error:
        print(f"keep_model.py: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"keep_model.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except (lzma.LZMAError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        print(f"keep_model.py: damaged input: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
