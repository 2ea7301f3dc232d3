"""Tests of tools/keep_model.py on small safetensors files."""
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(os.environ["VIDEODIFFCR_SOURCE_DIR"], "tools/keep_model.py")
CODES = {"F16": "e", "F32": "f"}


def safetensors(tensors):
    """The bytes of a file of one-dimensional tensors: {name: (dtype, values)}."""
    header, body = {"__metadata__": {"made": "by a test"}}, b""
    for name, (dtype, values) in tensors.items():
        data = struct.pack(f"<{len(values)}{CODES[dtype]}", *values)
        header[name] = {"dtype": dtype, "shape": [len(values)], "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensors_of(data):
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__")
    body = data[8 + length :]
    return {name: struct.unpack(f"<{entry['shape'][0]}{CODES[entry['dtype']]}", body[slice(*entry["data_offsets"])])
            for name, entry in header.items()}


class KeepModelTest(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.path = pathlib.Path(self.scratch.name)
        chance = random.Random(1)
        self.weights = [chance.gauss(0, 0.1) for _ in range(4000)]
        self.moved = [weight + chance.gauss(0, 0.01) for weight in self.weights]
        self.base = self.folder("base", {"t": ("F16", self.weights), "b": ("F32", self.weights[:99]), "same": ("F32", [1.0, 2.0])})
        self.model = self.folder("model", {"b": ("F32", self.moved[:99]), "t": ("F16", self.moved), "same": ("F32", [1.0, 2.0]),
                                           "routers": ("F32", self.moved[7:77])})
        (self.model / "config.json").write_text('{"name": "row"}')

    def folder(self, name, tensors):
        folder = self.path / name
        folder.mkdir()
        (folder / "transformer.safetensors").write_bytes(safetensors(tensors))
        (folder / "vocabulary.json").write_text("{}")
        return folder

    def keep(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False)

    def kept(self):
        result = self.keep("pack", self.base, self.model, self.path / "row.kept")
        self.assertEqual(result.returncode, 0, result.stderr)
        return self.path / "row.kept"

    def test_what_comes_back_is_within_an_eighth_of_what_its_weights_moved_by(self):
        made = self.path / "made"
        result = self.keep("unpack", self.base, self.kept(), made)
        self.assertEqual(result.returncode, 0, result.stderr)
        back, whole = (tensors_of((folder / "transformer.safetensors").read_bytes()) for folder in (made, self.model))
        for name in ("t", "b"):
            self.assertLess(max(abs(one - other) for one, other in zip(back[name], whole[name])), 0.01 / 4 * 1.5 / 2 + 1e-4, name)
            self.assertNotEqual(back[name], whole[name], name)
        self.assertEqual(list(back), list(whole))
        for name in ("same", "routers"):
            self.assertEqual(back[name], whole[name], name)
        for name in ("config.json", "vocabulary.json"):
            self.assertEqual((made / name).read_bytes(), (self.model / name).read_bytes(), name)

    def test_a_kept_file_has_a_third_of_the_bytes_at_most(self):
        self.assertLess(self.kept().stat().st_size, (self.model / "transformer.safetensors").stat().st_size / 3 + 600)

    def test_what_was_made_from_a_kept_file_comes_back_the_same_each_time(self):
        for name in ("one", "two"):
            self.assertEqual(self.keep("unpack", self.base, self.kept(), self.path / name).returncode, 0)
        one, two = ((self.path / name / "transformer.safetensors").read_bytes() for name in ("one", "two"))
        self.assertEqual(one, two)

    def test_another_base_is_refused_by_name(self):
        other = self.folder("other", {"t": ("F16", self.moved), "b": ("F32", self.weights[:99]), "same": ("F32", [1.0, 2.0])})
        result = self.keep("unpack", other, self.kept(), self.path / "made")
        self.assertEqual(result.returncode, 1)
        self.assertIn("other/transformer.safetensors is not the file that", result.stderr)
        self.assertFalse((self.path / "made").exists())

    def test_damage_is_told_in_a_line(self):
        data = self.kept().read_bytes()
        for damaged in (data[: len(data) // 2], b"", b"no kept file"):
            (self.path / "damaged.kept").write_bytes(damaged)
            result = self.keep("unpack", self.base, self.path / "damaged.kept", self.path / "made")
            self.assertEqual(result.returncode, 1)
            self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

    def test_a_weight_that_is_not_finite_is_refused(self):
        self.model = self.folder("broken", {"t": ("F16", [*self.moved[1:], float("nan")])})
        result = self.keep("pack", self.base, self.model, self.path / "row.kept")
        self.assertEqual(result.returncode, 1)
        self.assertIn("not finite", result.stderr)

    def test_a_missing_folder_is_named(self):
        result = self.keep("pack", self.path / "nowhere", self.model, self.path / "row.kept")
        self.assertEqual(result.returncode, 1)
        self.assertIn("nowhere is no folder", result.stderr)


if __name__ == "__main__":
    unittest.main()
