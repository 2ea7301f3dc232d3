// Signs by which wrongly decoded text is recognised, measured on the reference (tools/make_prompt_tables.py).
#ifndef VIDEODIFFCR_MODEL_PLAIN_TEXT_MOJIBAKE_SIGNS_H_
#define VIDEODIFFCR_MODEL_PLAIN_TEXT_MOJIBAKE_SIGNS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace videodiffcr {

// Whether neighbours stand in `text` that ordinary text does not have, as "Ã©" has. `at_start`: a line's start says
// more than other places.
bool LooksWronglyDecoded(std::u32string_view text, bool at_start = true);
inline constexpr size_t kMostNeighbours = 7;  // that are judged together

// What a character may be in a UTF-8 sequence that was read in one of the encodings; several at once.
struct SequenceRole {
  bool first_of_2 = false, first_of_3 = false, first_of_4 = false;
  bool continuation = false;
  // A continuation that hardly stands for itself: a sequence does not begin behind it.
  bool strict_continuation = false;
};
SequenceRole RoleOf(char32_t c);

// A single-byte encoding: ASCII, and these characters for the bytes from 0x80 on.
struct SingleByteEncoding {
  std::array<uint16_t, 128> upper;
  // Whether byte 0x1A stands for U+FFFD, what a stricter decoder made of bytes without a character.
  bool lossy;
  bool spaces_may_be_lost;  // whether a space may have been byte 0xA0
};
inline constexpr int kEncodings = 10;
const std::array<SingleByteEncoding, kEncodings>& Encodings();  // in the order in which they are tried

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TEXT_MOJIBAKE_SIGNS_H_
