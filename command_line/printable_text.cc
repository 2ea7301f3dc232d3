#include "command_line/printable_text.h"

#include <cstddef>
#include <cstdint>

namespace videodiffcr {
namespace {

struct Character {
  char32_t code_point;
  size_t bytes;  // 0: the text does not begin with well-formed UTF-8
};

Character FirstCharacter(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  const size_t bytes = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (bytes == 0 || bytes > text.size()) return {0, 0};
  if (bytes == 1) return {lead, 1};
  char32_t code_point = lead & (0x7F >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {0, 0};
    code_point = code_point << 6 | (byte(i) & 0x3F);
  }
  constexpr char32_t kLeastOfLength[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < kLeastOfLength[bytes] || code_point > 0x10FFFF || surrogate) return {0, 0};
  return {code_point, bytes};
}

bool SteersTheTerminal(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029 ||         // controls, line separators
         c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||  // direction
         (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

std::string PrintableText(std::string_view text) {
  constexpr char kHexDigits[] = "0123456789abcdef";
  std::string printable;
  while (!text.empty()) {
    const Character character = FirstCharacter(text);
    const size_t bytes = character.bytes == 0 ? 1 : character.bytes;
    if (character.bytes != 0 && !SteersTheTerminal(character.code_point)) {
      printable += text.substr(0, bytes);
    } else {
      for (const char c : text.substr(0, bytes)) {
        printable += {'\\', 'x', kHexDigits[static_cast<uint8_t>(c) >> 4], kHexDigits[static_cast<uint8_t>(c) & 15]};
      }
    }
    text.remove_prefix(bytes);
  }
  return printable;
}

}  // namespace videodiffcr
