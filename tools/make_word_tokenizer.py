#!/usr/bin/env python3
"""Writes a SentencePiece model of whole words from a vocabulary.json.

    tools/make_word_tokenizer.py models/tiny/vocabulary.json models/tiny/spiece.model

vocabulary.json: {"special": {"pad": 0, "eos": 1, "bos": 2, "unk": 3}, "words": {"a": 4, ...}}; the ids must be 0, 1, 2, ...
without a gap. The result is the protobuf message sentencepiece.ModelProto, encoded here by hand, so nothing but Python is
needed. It normalises nothing and puts a space before the first word; the caller lowers the case and removes punctuation.
"""

import json
import struct
import sys

WORD_MODEL = 3  # TrainerSpec.ModelType
NORMAL, UNKNOWN, CONTROL = 1, 2, 3  # SentencePiece.Type
SPECIAL_PIECES = {"pad": ("<pad>", CONTROL), "eos": ("</s>", CONTROL), "bos": ("<s>", CONTROL), "unk": ("<unk>", UNKNOWN)}
SPACE_MARK = "\u2581"


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field_varint(number, value):
    return varint(number << 3) + varint(value)


def field_bytes(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def field_float(number, value):
    return varint(number << 3 | 5) + struct.pack("<f", value)


def piece(text, kind):
    return field_bytes(1, text.encode()) + field_float(2, 0.0) + field_varint(3, kind)


def read_pieces(vocabulary):
    by_id = {}
    for name, number in vocabulary["special"].items():
        by_id[number] = SPECIAL_PIECES[name]
    for word, number in vocabulary["words"].items():
        if number in by_id:
            sys.exit(f"make_word_tokenizer: id {number} is given to '{by_id[number][0]}' and to '{word}'")
        by_id[number] = (SPACE_MARK + word, NORMAL)
    if sorted(by_id) != list(range(len(by_id))):
        sys.exit("make_word_tokenizer: the ids are not 0, 1, 2, ... without a gap")
    return [by_id[number] for number in range(len(by_id))]


def trainer_spec(vocabulary, size):
    ids = vocabulary["special"]
    spec = field_varint(3, WORD_MODEL) + field_varint(4, size)
    for number, name in ((40, "unk"), (41, "bos"), (42, "eos"), (43, "pad")):
        spec += field_varint(number, ids[name])
    for number, name in ((45, "unk"), (46, "bos"), (47, "eos"), (48, "pad")):
        spec += field_bytes(number, SPECIAL_PIECES[name][0].encode())
    return spec


def normalizer_spec():
    return field_bytes(1, b"identity") + field_varint(3, 1) + field_varint(4, 1) + field_varint(5, 1)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        vocabulary = json.load(file)
    pieces = read_pieces(vocabulary)
    model = b"".join(field_bytes(1, piece(text, kind)) for text, kind in pieces)
    model += field_bytes(2, trainer_spec(vocabulary, len(pieces))) + field_bytes(3, normalizer_spec())
    with open(sys.argv[2], "wb") as file:
        file.write(model)


if __name__ == "__main__":
    main()
