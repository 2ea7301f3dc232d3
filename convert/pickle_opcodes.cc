#include "convert/pickle_opcodes.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {
namespace {

struct NamedOpcode {
  uint8_t opcode;
  absl::string_view name;
};

// Refused by ReadPickle().
constexpr NamedOpcode kNames[] = {
    {0x30, "POP"},
    {0x31, "POP_MARK"},
    {0x32, "DUP"},
    {0x42, "BINBYTES"},
    {0x43, "SHORT_BINBYTES"},
    {0x46, "FLOAT"},
    {0x49, "INT"},
    {0x4c, "LONG"},
    {0x50, "PERSID"},
    {0x53, "STRING"},
    {0x54, "BINSTRING"},
    {0x56, "UNICODE"},
    {0x64, "DICT"},
    {0x67, "GET"},
    {0x69, "INST"},
    {0x6c, "LIST"},
    {0x6f, "OBJ"},
    {0x70, "PUT"},
    {0x81, "NEWOBJ"},
    {0x82, "EXT1"},
    {0x83, "EXT2"},
    {0x84, "EXT4"},
    {0x8b, "LONG4"},
    {0x8c, "SHORT_BINUNICODE"},
    {0x8d, "BINUNICODE8"},
    {0x8e, "BINBYTES8"},
    {0x8f, "EMPTY_SET"},
    {0x90, "ADDITEMS"},
    {0x91, "FROZENSET"},
    {0x92, "NEWOBJ_EX"},
    {0x93, "STACK_GLOBAL"},
    {0x94, "MEMOIZE"},
    {0x95, "FRAME"},
    {0x96, "BYTEARRAY8"},
    {0x97, "NEXT_BUFFER"},
    {0x98, "READONLY_BUFFER"},
};

}  // namespace

std::string PickleOpcodeName(uint8_t opcode) {
  const std::string number = absl::StrCat("0x", absl::Hex(opcode, absl::kZeroPad2));
  for (const NamedOpcode& named : kNames) {
    if (named.opcode == opcode) {
      return absl::StrCat(named.name, " (", number, ")");
    }
  }
  return number;
}

}  // namespace videodiffcr
