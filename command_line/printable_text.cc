#include "command_line/printable_text.h"

#include <utf8proc.h>

#include <cstddef>
#include <cstdint>

namespace videodiffcr {
namespace {

bool SteersTheTerminal(utf8proc_int32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029 ||         // controls, line separators
         c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||  // direction
         (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

std::string PrintableText(std::string_view text) {
  constexpr char kHexDigits[] = "0123456789abcdef";
  std::string printable;
  while (!text.empty()) {
    utf8proc_int32_t character = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                                     static_cast<utf8proc_ssize_t>(text.size()), &character);
    const size_t bytes = length <= 0 ? 1 : static_cast<size_t>(length);
    if (length > 0 && !SteersTheTerminal(character)) {
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
