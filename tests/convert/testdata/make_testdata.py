#!/usr/bin/env python3
"""Writes the files of this folder with PyTorch's own torch.save, so that the tests read what PyTorch writes.

Run where PyTorch is installed (2.11 made the files that are checked in):  python3 make_testdata.py OUTPUT_FOLDER
Names and layout are those of the released files, sizes are small, values follow the integer rule of Fill() so that a test
can compute them again. The shapes are written out here a second time on purpose: they check expected_tensors.cc.
"""
import collections
import os
import sys

import torch

MASK = 0xFFFFFFFF


def Fnv1a(name):
    h = 2166136261
    for byte in name.encode():
        h = ((h ^ byte) * 16777619) & MASK
    return h


def Fill(name, shape, dtype=torch.float32):
    """value[i] = 2 u / 2^32 - 1 in double, with u a hash of the flat index and the name."""
    count = 1
    for size in shape:
        count *= size
    offset = Fnv1a(name)
    values = []
    for i in range(count):
        u = (i * 2654435761 + offset) & MASK
        u ^= u >> 16
        u = (u * 0x85EBCA6B) & MASK
        u ^= u >> 13
        u = (u * 0xC2B2AE35) & MASK
        u ^= u >> 16
        values.append(2.0 * u / 4294967296.0 - 1.0)
    return torch.tensor(values, dtype=torch.float64).to(torch.float32).to(dtype).reshape(shape)


def Transformer(dim=12, ffn=20, freq=8, text=10, channels=4, layers=2):
    t = collections.OrderedDict()

    def linear(name, out, inp):
        t[name + ".weight"] = [out, inp]
        t[name + ".bias"] = [out]

    t["patch_embedding.weight"] = [dim, channels, 1, 2, 2]
    t["patch_embedding.bias"] = [dim]
    linear("text_embedding.0", dim, text)
    linear("text_embedding.2", dim, dim)
    linear("time_embedding.0", dim, freq)
    linear("time_embedding.2", dim, dim)
    linear("time_projection.1", 6 * dim, dim)
    for i in range(layers):
        b = f"blocks.{i}."
        t[b + "modulation"] = [1, 6, dim]
        for attention in ("self_attn", "cross_attn"):
            for projection in "qkvo":
                linear(f"{b}{attention}.{projection}", dim, dim)
            t[f"{b}{attention}.norm_q.weight"] = [dim]
            t[f"{b}{attention}.norm_k.weight"] = [dim]
        t[b + "norm3.weight"] = [dim]
        t[b + "norm3.bias"] = [dim]
        linear(b + "ffn.0", ffn, dim)
        linear(b + "ffn.2", dim, ffn)
    t["head.modulation"] = [1, 2, dim]
    linear("head.head", 4 * channels, dim)
    return t


def TextEncoder(vocabulary=24, dim=10, attention=8, ffn=12, heads=2, layers=2, buckets=32):
    t = collections.OrderedDict()
    t["token_embedding.weight"] = [vocabulary, dim]
    for i in range(layers):
        b = f"blocks.{i}."
        t[b + "norm1.weight"] = [dim]
        for projection in "qkv":
            t[b + f"attn.{projection}.weight"] = [attention, dim]
        t[b + "attn.o.weight"] = [dim, attention]
        t[b + "norm2.weight"] = [dim]
        t[b + "ffn.gate.0.weight"] = [ffn, dim]
        t[b + "ffn.fc1.weight"] = [ffn, dim]
        t[b + "ffn.fc2.weight"] = [dim, ffn]
        t[b + "pos_embedding.embedding.weight"] = [buckets, heads]
    t["norm.weight"] = [dim]
    return t


def WanVae(base=1, z=4):
    widths = [base, base * 2, base * 4, base * 4]
    t = collections.OrderedDict()

    def conv(name, out, inp, *kernel):
        t[name + ".weight"] = [out, inp, *kernel]
        t[name + ".bias"] = [out]

    def residual(name, inp, out):
        t[name + ".residual.0.gamma"] = [inp, 1, 1, 1]
        conv(name + ".residual.2", out, inp, 3, 3, 3)
        t[name + ".residual.3.gamma"] = [out, 1, 1, 1]
        conv(name + ".residual.6", out, out, 3, 3, 3)
        if inp != out:
            conv(name + ".shortcut", out, inp, 1, 1, 1)

    def middle(name, c):
        residual(name + ".0", c, c)
        t[name + ".1.norm.gamma"] = [c, 1, 1]
        conv(name + ".1.to_qkv", 3 * c, c, 1, 1)
        conv(name + ".1.proj", c, c, 1, 1)
        residual(name + ".2", c, c)

    top = widths[3]
    conv("encoder.conv1", widths[0], 3, 3, 3, 3)
    d = "encoder.downsamples."
    residual(d + "0", widths[0], widths[0])
    residual(d + "1", widths[0], widths[0])
    conv(d + "2.resample.1", widths[0], widths[0], 3, 3)
    residual(d + "3", widths[0], widths[1])
    residual(d + "4", widths[1], widths[1])
    conv(d + "5.resample.1", widths[1], widths[1], 3, 3)
    conv(d + "5.time_conv", widths[1], widths[1], 3, 1, 1)
    residual(d + "6", widths[1], widths[2])
    residual(d + "7", widths[2], widths[2])
    conv(d + "8.resample.1", widths[2], widths[2], 3, 3)
    conv(d + "8.time_conv", widths[2], widths[2], 3, 1, 1)
    residual(d + "9", widths[2], widths[3])
    residual(d + "10", widths[3], widths[3])
    middle("encoder.middle", top)
    t["encoder.head.0.gamma"] = [top, 1, 1, 1]
    conv("encoder.head.2", 2 * z, top, 3, 3, 3)
    conv("conv1", 2 * z, 2 * z, 1, 1, 1)
    conv("conv2", z, z, 1, 1, 1)
    conv("decoder.conv1", top, z, 3, 3, 3)
    middle("decoder.middle", top)
    u = "decoder.upsamples."
    for i in range(3):
        residual(u + str(i), top, top)
    conv(u + "3.resample.1", top // 2, top, 3, 3)
    conv(u + "3.time_conv", 2 * top, top, 3, 1, 1)
    residual(u + "4", top // 2, widths[2])
    residual(u + "5", widths[2], widths[2])
    residual(u + "6", widths[2], widths[2])
    conv(u + "7.resample.1", widths[2] // 2, widths[2], 3, 3)
    conv(u + "7.time_conv", 2 * widths[2], widths[2], 3, 1, 1)
    for i in range(8, 11):
        residual(u + str(i), widths[1], widths[1])
    conv(u + "11.resample.1", widths[0], widths[1], 3, 3)
    for i in range(12, 15):
        residual(u + str(i), widths[0], widths[0])
    t["decoder.head.0.gamma"] = [widths[0], 1, 1, 1]
    conv("decoder.head.2", 3, widths[0], 3, 3, 3)
    return t


def Taehv(z=4, w=(8, 4, 2, 2), e=2):
    t = collections.OrderedDict()

    def conv(name, out, inp, kernel, bias):
        t[name + ".weight"] = [out, inp, kernel, kernel]
        if bias:
            t[name + ".bias"] = [out]

    def memory(name, c):
        conv(name + ".conv.0", c, 2 * c, 3, True)
        conv(name + ".conv.2", c, c, 3, True)
        conv(name + ".conv.4", c, c, 3, True)

    conv("encoder.0", e, 3, 3, True)
    for first, frames in ((2, 2), (7, 2), (12, 1)):
        conv(f"encoder.{first}.conv", e, e * frames, 1, False)
        conv(f"encoder.{first + 1}", e, e, 3, False)
        for i in range(3):
            memory(f"encoder.{first + 2 + i}", e)
    conv("encoder.17", z, e, 3, True)
    conv("decoder.1", w[0], z, 3, True)
    for level, first in enumerate((3, 9, 15)):
        for i in range(3):
            memory(f"decoder.{first + i}", w[level])
        frames = 1 if level == 0 else 2
        conv(f"decoder.{first + 4}.conv", frames * w[level], w[level], 1, False)
        conv(f"decoder.{first + 5}", w[level + 1], w[level], 3, False)
    conv("decoder.22", 3, w[3], 3, True)
    return t


def Filled(table, dtype):
    return collections.OrderedDict((name, Fill(name, shape, dtype)) for name, shape in table.items())


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)

    def save(value, name, **options):
        torch.save(value, os.path.join(folder, name), **options)

    transformer = Filled(Transformer(), torch.float32)
    # The EMA copy: a plain map, every name behind the wrapper's attribute `model`, as FSDP code writes it.
    ema = {"model." + name.replace("blocks.1.", "blocks.1._fsdp_wrapped_module."): tensor
           for name, tensor in transformer.items()}
    save({"generator_ema": ema}, "self_forcing_dmd.pt")
    # ode_init.pt: entry `generator`, a state dict with its _metadata, parameters instead of tensors.
    generator = collections.OrderedDict(
        ("model." + name, torch.nn.Parameter(tensor)) for name, tensor in transformer.items())
    generator._metadata = collections.OrderedDict({"": {"version": 1}})
    save({"generator": generator, "step": 600}, "ode_init.pt")
    text = Filled(TextEncoder(), torch.bfloat16)
    text._metadata = collections.OrderedDict({"": {"version": 1}, "blocks.0": {"version": 1}})
    save(text, "models_t5_umt5-xxl-enc-bf16.pth")
    save(Filled(WanVae(), torch.float32), "Wan2.1_VAE.pth")
    save(Filled(Taehv(), torch.float16), "taew2_1.pth")

    whole = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    save({"second_row": whole[1], "rows": whole[1:], "transposed": whole.t(), "scalar": torch.tensor(7, dtype=torch.int64),
          "flags": torch.tensor([True, False]), "bytes": torch.tensor([1, 2, 255], dtype=torch.uint8),
          "doubles": torch.tensor([0.1], dtype=torch.float64)}, "views_and_types.pth")
    # Types without a storage class of their own, and beside the weights what torch.load(weights_only=True) takes.
    eighths = torch.arange(12, dtype=torch.float32).reshape(3, 4) / 8
    parameter = torch.nn.Parameter(eighths.to(torch.float8_e4m3fn))
    parameter.tag = 7
    tagged = eighths.to_sparse()
    tagged.tag = 7
    save({"generator": {"e4m3": eighths.to(torch.float8_e4m3fn), "last_rows_e5m2": eighths.to(torch.float8_e5m2)[1:],
                        "columns": eighths.to(torch.float8_e4m3fn).t(), "parameter": parameter, "iteration": 3,
                        "head._extra_state": None},
          "others": {"dtype": torch.bfloat16, "type": torch.float8_e4m3fn, "size": eighths.size(), "set": {1, 2},
                     "device": torch.device("cuda", 0), "layout": torch.strided, "bytes": b"ab\xff", "complex": 1j,
                     "bytearray": bytearray(b"x"), "counts": collections.Counter("aab"), "seed": 2**64 - 5,
                     "storage": torch.ones(3).untyped_storage(), "meta": torch.empty(2, device="meta"),
                     "quantized": torch.quantize_per_tensor(eighths, 0.1, 0, torch.qint8),
                     "sparse": eighths.to_sparse(), "complex_numbers": torch.ones(2, dtype=torch.complex64),
                     "uint16": torch.ones(2, dtype=torch.uint16), "negated": torch._neg_view(torch.ones(2)),
                     "tagged": tagged, "no_bytes": b"", "frozenset": frozenset([1]), "range": range(3),
                     "slice": slice(1, 2), "classes": [torch.FloatTensor, torch.cuda.HalfTensor, torch.sparse.IntTensor],
                     "storages": [torch.cuda.FloatStorage, torch.storage.TypedStorage, torch.QUInt4x2Storage],
                     "types": [torch.int4, torch.uint7, torch.bits8, torch.quint2x4],
                     "schemes": [torch.per_tensor_symmetric, torch.per_channel_symmetric]}},
         "fp8_and_others.pt")
    save({"weight": torch.ones(2)}, "legacy_format.pth", _use_new_zipfile_serialization=False)
    save({"weight": torch.ones(2)}, "legacy_protocol3.pth", _use_new_zipfile_serialization=False, pickle_protocol=3)
    save({"weight": torch.ones(2)}, "protocol3.pth", pickle_protocol=3)
    for name in sorted(os.listdir(folder)):
        print(name, os.path.getsize(os.path.join(folder, name)))


if __name__ == "__main__":
    main()
