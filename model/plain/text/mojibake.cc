#include "model/plain/text/mojibake.h"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "model/plain/text/mojibake_signs.h"

namespace videodiffcr {
namespace {

using CodePoints = std::u32string;
using Bytes = std::vector<uint8_t>;

constexpr uint8_t kSubstitute = 0x1A;  // for a byte that a stricter decoder lost
constexpr uint8_t kLostSpace = 0xA0;

bool Between(uint32_t value, uint32_t first, uint32_t last) { return value >= first && value <= last; }

std::optional<uint8_t> ByteOf(const SingleByteEncoding& encoding, char32_t c) {
  if (encoding.lossy && c == 0xFFFD) return kSubstitute;
  if (c < 0x80) return encoding.lossy && c == kSubstitute ? std::nullopt : std::optional<uint8_t>(c);
  const auto found = std::find(encoding.upper.begin(), encoding.upper.end(), c);
  if (found == encoding.upper.end()) return std::nullopt;
  return static_cast<uint8_t>(0x80 + (found - encoding.upper.begin()));
}

// Nothing when a character is not of the encoding.
std::optional<Bytes> Encode(const SingleByteEncoding& encoding, const CodePoints& text) {
  Bytes bytes;
  for (const char32_t c : text) {
    const std::optional<uint8_t> byte = ByteOf(encoding, c);
    if (!byte.has_value()) return std::nullopt;
    bytes.push_back(*byte);
  }
  return bytes;
}

// One of a pattern's bytes: from `first` to `last`, or one of the two others (0: none).
struct ByteSet {
  uint8_t first, last, other = 0, second_other = 0;
  bool Has(uint8_t byte) const {
    return Between(byte, first, last) || (other != 0 && byte == other) || (second_other != 0 && byte == second_other);
  }
};
using Pattern = std::vector<ByteSet>;

bool Matches(const Bytes& bytes, size_t at, const Pattern& pattern) {
  if (bytes.size() - at < pattern.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (!pattern[i].Has(bytes[at + i])) return false;
  }
  return true;
}

// The bytes that the first of the patterns that fits at `at` takes; 0 when none does.
size_t MatchLength(const Bytes& bytes, size_t at, const std::vector<Pattern>& patterns) {
  for (const Pattern& pattern : patterns) {
    if (Matches(bytes, at, pattern)) return pattern.size();
  }
  return 0;
}

// UTF-8 sequences in which byte 0xA0, which looks like a space, became one. Leads that make unlikely letters with it
// are left out: ordinary text has them before spaces.
const std::vector<Pattern>& SequencesWithLostSpace() {
  constexpr ByteSet kSpace{0x20, 0x20};
  constexpr ByteSet kAny{0x80, 0xBF};
  static const auto* const patterns = [&] {
    auto* list = new std::vector<Pattern>;
    for (const uint8_t lead : {0xC2, 0xC3, 0xC5, 0xCE, 0xD0, 0xD9}) list->push_back({{lead, lead}, kSpace});
    // Without 0x85 (an ellipsis) and 0xA0.
    const std::initializer_list<ByteSet> usual = {{0x80, 0x84}, {0x86, 0x9F}, {0xA1, 0xBF}};
    for (const ByteSet& continuation : usual) list->push_back({{0xE2, 0xE3}, kSpace, continuation});
    for (const ByteSet& continuation : usual) list->push_back({{0xE0, 0xE3}, continuation, kSpace});
    list->push_back({{0xF0, 0xF0}, kSpace, kAny, kAny});
    list->push_back({{0xF0, 0xF0}, kAny, kSpace, kAny});
    list->push_back({{0xF0, 0xF0}, kAny, kAny, kSpace});
    return list;
  }();
  return *patterns;
}

// "Ã la", with an ordinary space: the letter is a word of its own, unless it begins one of a few Portuguese words.
bool IsGraveWord(const Bytes& bytes, size_t at) {
  if (bytes[at] != 0xC3 || at + 1 >= bytes.size() || bytes[at + 1] != ' ') return false;
  const std::string_view rest(reinterpret_cast<const char*>(bytes.data()) + at + 2, bytes.size() - at - 2);
  for (const std::string_view word : {" ", "quele", "quela", "quilo", "s "}) {
    if (rest.substr(0, word.size()) == word) return false;
  }
  return true;
}

Bytes RestoreLostSpaces(const Bytes& bytes) {
  Bytes with_words;
  for (size_t at = 0; at < bytes.size(); ++at) {
    with_words.push_back(bytes[at]);
    if (IsGraveWord(bytes, at)) with_words.push_back(kLostSpace);
  }
  Bytes restored;
  for (size_t at = 0; at < with_words.size();) {
    const size_t length = MatchLength(with_words, at, SequencesWithLostSpace());
    for (size_t i = 0; i < std::max<size_t>(length, 1); ++i, ++at) {
      restored.push_back(length > 0 && with_words[at] == ' ' ? kLostSpace : with_words[at]);
    }
  }
  return restored;
}

// UTF-8 sequences in which bytes were lost (0x1A), at most one of them as a question mark.
const std::vector<Pattern>& LossySequences() {
  constexpr ByteSet kLost{0x1A, 0x1A};
  constexpr ByteSet kLostOrAsked{0x1A, 0x1A, '?'};
  constexpr ByteSet kAny{0x80, 0xBF, 0x1A};
  constexpr ByteSet kAnyOrAsked{0x80, 0xBF, 0x1A, '?'};
  constexpr ByteSet kHigh{0xA0, 0xAF}, kLow{0xB0, 0xBF}, kSurrogate{0xED, 0xED};
  static const auto* const patterns =
      new std::vector<Pattern>{{{0xC2, 0xDF}, kLost},
                               {{0xC2, 0xC3}, {'?', '?'}},
                               {kSurrogate, kHigh, kLostOrAsked, kSurrogate, kLow, kAnyOrAsked},
                               {kSurrogate, kHigh, kAnyOrAsked, kSurrogate, kLow, kLostOrAsked},
                               {{0xE0, 0xEF}, kLostOrAsked, kAny},
                               {{0xE0, 0xEF}, kAny, kLostOrAsked},
                               {{0xF0, 0xF4}, kLostOrAsked, kAny, kAny},
                               {{0xF0, 0xF4}, kAny, kLostOrAsked, kAny},
                               {{0xF0, 0xF4}, kAny, kAny, kLostOrAsked},
                               {kLost}};
  return *patterns;
}

Bytes ReplaceLossySequences(const Bytes& bytes) {
  Bytes replaced;
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = MatchLength(bytes, at, LossySequences());
    if (length == 0) {
      replaced.push_back(bytes[at++]);
      continue;
    }
    for (const uint8_t byte : {0xEF, 0xBF, 0xBD}) replaced.push_back(byte);  // U+FFFD
    at += length;
  }
  return replaced;
}

// The code point of the sequence at `at`, and its length; length 0 when it is none. Beside UTF-8: surrogate pairs of
// three bytes each (CESU-8), and Java's two bytes for U+0000.
std::pair<char32_t, size_t> DecodeOne(const Bytes& bytes, size_t at) {
  const uint8_t lead = bytes[at];
  const auto continuation = [&](size_t i) { return at + i < bytes.size() && (bytes[at + i] & 0xC0) == 0x80; };
  if (lead < 0x80) return {lead, 1};
  if (lead == 0xC0 && at + 1 < bytes.size() && bytes[at + 1] == 0x80) return {0, 2};
  const size_t length = Between(lead, 0xC2, 0xDF)   ? 2
                        : Between(lead, 0xE0, 0xEF) ? 3
                        : Between(lead, 0xF0, 0xF4) ? 4
                                                    : 0;
  if (length == 0) return {0, 0};
  uint32_t value = length == 2 ? lead & 0x1F : length == 3 ? lead & 0x0F : lead & 0x07;
  for (size_t i = 1; i < length; ++i) {
    if (!continuation(i)) return {0, 0};
    value = value << 6 | (bytes[at + i] & 0x3F);
  }
  if (length == 3 && value < 0x800) return {0, 0};
  if (length == 4 && !Between(value, 0x10000, 0x10FFFF)) return {0, 0};
  if (!Between(value, 0xD800, 0xDFFF)) return {value, length};
  const bool pair = value < 0xDC00 && at + 5 < bytes.size() && bytes[at + 3] == 0xED &&
                    Between(bytes[at + 4], 0xB0, 0xBF) && continuation(5);
  if (!pair) return {0, 0};
  const uint32_t low = static_cast<uint32_t>(bytes[at + 4] & 0x0F) << 6 | (bytes[at + 5] & 0x3F);
  return {0x10000 + ((value & 0x3FF) << 10) + low, 6};
}

std::optional<CodePoints> DecodeUtf8(const Bytes& bytes) {
  CodePoints text;
  for (size_t at = 0; at < bytes.size();) {
    const auto [point, length] = DecodeOne(bytes, at);
    if (length == 0) return std::nullopt;
    text += point;
    at += length;
  }
  return text;
}

// In which of the encodings a character is a byte, one bit each; and in which it is one of UTF-8's that go on or that
// begin.
struct EncodingMasks {
  uint16_t any = 0, goes_on = 0, begins = 0;
};

const EncodingMasks& MasksOf(char32_t c) {
  static const auto* const masks = [] {
    auto* table = new std::vector<EncodingMasks>(0x10000);
    for (size_t i = 0; i < Encodings().size(); ++i) {
      const auto bit = static_cast<uint16_t>(1 << i);
      CodePoints possible(Encodings()[i].upper.begin(), Encodings()[i].upper.end());
      for (char32_t of = 0; of < 0x80; ++of) possible += of;
      possible += 0xFFFD;
      for (const char32_t of : possible) {
        const std::optional<uint8_t> byte = ByteOf(Encodings()[i], of);
        if (!byte.has_value()) continue;
        EncodingMasks& mask = (*table)[of];
        mask.any |= bit;
        if (Between(*byte, 0x80, 0xBF)) mask.goes_on |= bit;
        if (*byte >= 0xC0) mask.begins |= bit;
      }
    }
    return table;
  }();
  static const EncodingMasks none;
  return c < masks->size() ? (*masks)[c] : none;
}

// ASCII that is neither a lost space, nor a lost byte, nor asked for: it stands for itself.
bool StandsForItself(char32_t c) { return c < 0x80 && c != ' ' && c != '?' && c != kSubstitute; }

// The encodings, one bit each, in which `text` may be UTF-8: without those that lack one of its characters, and those
// in which something stands that no repair makes whole, as the fourth byte that goes on. So that what is looked at
// again and again is mostly not looked at for long.
uint16_t PossibleEncodings(const CodePoints& text) {
  auto possible = static_cast<uint16_t>((1 << kEncodings) - 1);
  uint16_t on[3] = {0, 0, 0};  // in which the last characters go on, the last one last
  uint16_t begun = 0;          // in which the last character begins a sequence
  bool alone = true;           // whether the last character stands for itself, or is none
  for (const char32_t c : text) {
    const EncodingMasks& masks = MasksOf(c);
    possible &= masks.any;
    possible &= static_cast<uint16_t>(~(on[0] & on[1] & on[2] & masks.goes_on));
    possible &= static_cast<uint16_t>(~(begun & masks.begins));
    if (alone) possible &= static_cast<uint16_t>(~masks.goes_on);
    alone = StandsForItself(c);
    if (alone) possible &= static_cast<uint16_t>(~begun);
    if (possible == 0) return 0;
    on[0] = std::exchange(on[1], std::exchange(on[2], masks.goes_on));
    begun = masks.begins;
  }
  return possible & static_cast<uint16_t>(~begun);
}

std::optional<CodePoints> DecodeAgain(const CodePoints& text) {
  const uint16_t possible = PossibleEncodings(text);
  for (size_t i = 0; i < Encodings().size(); ++i) {
    const SingleByteEncoding& encoding = Encodings()[i];
    if ((possible >> i & 1) == 0) continue;
    std::optional<Bytes> bytes = Encode(encoding, text);
    if (!bytes.has_value()) continue;
    if (encoding.spaces_may_be_lost) {
      const bool lost = std::any_of(bytes->begin(), bytes->end(), [&](const uint8_t& byte) {
        return MatchLength(*bytes, static_cast<size_t>(&byte - bytes->data()), SequencesWithLostSpace()) > 0;
      });
      if (lost) bytes = RestoreLostSpaces(*bytes);
    }
    if (encoding.lossy) bytes = ReplaceLossySequences(*bytes);
    if (std::optional<CodePoints> decoded = DecodeUtf8(*bytes)) return decoded;
  }
  return std::nullopt;
}

// Characters from `at` on that were sequences of UTF-8; 0 when there are none.
size_t RunLength(std::u32string_view text, size_t at) {
  if (at > 0 && RoleOf(text[at - 1]).strict_continuation) return 0;
  size_t end = at;
  while (end < text.size()) {
    const SequenceRole lead = RoleOf(text[end]);
    size_t taken = 0;
    for (const auto& [is_lead, length] : {std::pair{lead.first_of_2, 2}, {lead.first_of_3, 3}, {lead.first_of_4, 4}}) {
      if (!is_lead || taken > 0 || text.size() - end < static_cast<size_t>(length)) continue;
      bool whole = true;
      for (int i = 1; i < length; ++i) whole = whole && RoleOf(text[end + i]).continuation;
      if (whole) taken = length;
    }
    if (taken == 0) break;
    end += taken;
  }
  return end - at;
}

// The parts of the text that are wrongly decoded, each by itself.
CodePoints RepairParts(const CodePoints& text) {
  CodePoints repaired;
  for (size_t at = 0; at < text.size();) {
    const size_t length = RunLength(text, at);
    if (length == 0) {
      repaired += text[at++];
      continue;
    }
    CodePoints part = text.substr(at, length);
    at += length;
    // A part is shorter than the whole, so this ends.
    if (length < text.size() && LooksWronglyDecoded(part)) part = RepairMojibake(std::move(part));
    repaired += part;
  }
  return repaired;
}

bool HasC1Controls(const CodePoints& text) {
  return std::any_of(text.begin(), text.end(), [](char32_t c) { return Between(c, 0x80, 0x9F); });
}

CodePoints RepairOnce(const CodePoints& text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x80; });
  if (ascii || !LooksWronglyDecoded(text)) return text;
  if (std::optional<CodePoints> decoded = DecodeAgain(text)) return *std::move(decoded);
  CodePoints repaired = RepairParts(text);
  if (repaired != text) return repaired;
  return HasC1Controls(text) ? ReplaceC1Controls(text) : text;
}

}  // namespace

std::u32string RepairMojibake(std::u32string text) {
  while (true) {
    CodePoints repaired = RepairOnce(text);
    if (repaired == text) return text;
    text = std::move(repaired);
  }
}

std::u32string ReplaceC1Controls(std::u32string text) {
  const SingleByteEncoding& windows1252 = Encodings()[1];
  for (char32_t& c : text) {
    if (Between(c, 0x80, 0x9F)) c = windows1252.upper[c - 0x80];
  }
  return text;
}

}  // namespace videodiffcr
