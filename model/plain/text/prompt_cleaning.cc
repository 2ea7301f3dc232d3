#include "model/plain/text/prompt_cleaning.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

using CodePoints = std::u32string;

constexpr char32_t kReplacement = 0xFFFD;

struct Spelling {
  std::u32string_view from, to;
};

// Entities that turn up in prompts copied from web pages.
constexpr std::array<Spelling, 18> kEntities = {{{U"amp", U"&"},
                                                 {U"lt", U"<"},
                                                 {U"gt", U">"},
                                                 {U"quot", U"\""},
                                                 {U"apos", U"'"},
                                                 {U"nbsp", U"\u00A0"},
                                                 {U"ndash", U"\u2013"},
                                                 {U"mdash", U"\u2014"},
                                                 {U"lsquo", U"\u2018"},
                                                 {U"rsquo", U"\u2019"},
                                                 {U"ldquo", U"\u201C"},
                                                 {U"rdquo", U"\u201D"},
                                                 {U"hellip", U"\u2026"},
                                                 {U"copy", U"\u00A9"},
                                                 {U"reg", U"\u00AE"},
                                                 {U"trade", U"\u2122"},
                                                 {U"deg", U"\u00B0"},
                                                 {U"euro", U"\u20AC"}}};

constexpr std::array<Spelling, 22> kLigatures = {
    {{U"\u0132", U"IJ"},      {U"\u0133", U"ij"},      {U"\u0149", U"\u02BCn"}, {U"\u01C4", U"D\u017D"},
     {U"\u01C5", U"D\u017E"}, {U"\u01C6", U"d\u017E"}, {U"\u01C7", U"LJ"},      {U"\u01C8", U"Lj"},
     {U"\u01C9", U"lj"},      {U"\u01CA", U"NJ"},      {U"\u01CB", U"Nj"},      {U"\u01CC", U"nj"},
     {U"\u01F1", U"DZ"},      {U"\u01F2", U"Dz"},      {U"\u01F3", U"dz"},      {U"\uFB00", U"ff"},
     {U"\uFB01", U"fi"},      {U"\uFB02", U"fl"},      {U"\uFB03", U"ffi"},     {U"\uFB04", U"ffl"},
     {U"\uFB05", U"\u017Ft"}, {U"\uFB06", U"st"}}};

bool Between(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

// What Python's \s matches.
bool IsSpace(char32_t c) {
  return Between(c, 0x09, 0x0D) || Between(c, 0x1C, 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         Between(c, 0x2000, 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

// Control characters without a meaning in text; line breaks and tabs are spaces and stay.
bool IsRemovedControl(char32_t c) {
  return Between(c, 0x00, 0x08) || c == 0x0B || Between(c, 0x0E, 0x1F) || c == 0x7F || Between(c, 0x206A, 0x206F) ||
         c == 0xFEFF || Between(c, 0xFFF9, 0xFFFC);
}

bool IsAsciiLetter(char32_t c) { return Between(c, 'a', 'z') || Between(c, 'A', 'Z'); }

// -1 when `c` is no digit of `base`.
int DigitValue(char32_t c, int base) {
  const int value = Between(c, '0', '9')   ? static_cast<int>(c - '0')
                    : Between(c, 'a', 'f') ? static_cast<int>(c - 'a') + 10
                    : Between(c, 'A', 'F') ? static_cast<int>(c - 'A') + 10
                                           : 99;
  return value < base ? value : -1;
}

absl::StatusOr<CodePoints> DecodeUtf8(std::string_view text) {
  CodePoints points;
  points.reserve(text.size());
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  for (utf8proc_ssize_t at = 0; at < size;) {
    utf8proc_int32_t point = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(bytes + at, size - at, &point);
    if (length <= 0) return absl::InvalidArgumentError(absl::StrCat("prompt: not valid UTF-8 at byte ", at));
    points.push_back(static_cast<char32_t>(point));
    at += length;
  }
  return points;
}

void AppendUtf8(char32_t point, std::string& out) {
  std::array<utf8proc_uint8_t, 4> bytes;
  const utf8proc_ssize_t length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(point), bytes.data());
  out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<size_t>(length));
}

std::string EncodeUtf8(const CodePoints& points) {
  std::string text;
  text.reserve(points.size());
  for (char32_t point : points) AppendUtf8(point, text);
  return text;
}

// Unicode normalisation: NFC, or NFKC with UTF8PROC_COMPAT in `options`.
CodePoints Normalize(const CodePoints& points, int options) {
  const std::string text = EncodeUtf8(points);
  utf8proc_uint8_t* raw = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                   &raw, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(raw, &std::free);
  if (size < 0) return points;  // out of memory only: the text is valid
  absl::StatusOr<CodePoints> normalized = DecodeUtf8({reinterpret_cast<const char*>(raw), static_cast<size_t>(size)});
  return normalized.ok() ? *std::move(normalized) : points;
}

struct Entity {
  CodePoints text;
  size_t length;  // code points it took, with & and ;
};

// "&#65;" or "&#x41;" at the start of `rest`; the semicolon may be missing, as in HTML.
std::optional<Entity> NumericEntity(std::u32string_view rest) {
  const bool hex = rest.size() > 2 && (rest[2] == 'x' || rest[2] == 'X');
  const int base = hex ? 16 : 10;
  const size_t first = hex ? 3 : 2;
  size_t at = first;
  uint32_t value = 0;
  for (; at < rest.size() && DigitValue(rest[at], base) >= 0; ++at) {
    value = value * base + DigitValue(rest[at], base);
    if (value > 0x10FFFF) value = 0x110000;  // stays out of range however many digits follow
  }
  if (at == first) return std::nullopt;
  if (at < rest.size() && rest[at] == ';') ++at;
  const bool valid = value != 0 && value <= 0x10FFFF && !Between(value, 0xD800, 0xDFFF);
  return Entity{CodePoints(1, valid ? static_cast<char32_t>(value) : kReplacement), at};
}

std::optional<Entity> EntityAt(std::u32string_view rest) {
  if (rest.size() < 3 || rest[0] != '&') return std::nullopt;
  if (rest[1] == '#') return NumericEntity(rest);
  for (const Spelling& entity : kEntities) {
    const size_t end = 1 + entity.from.size();
    if (rest.size() > end && rest[end] == ';' && rest.substr(1, entity.from.size()) == entity.from) {
      return Entity{CodePoints(entity.to), end + 1};
    }
  }
  return std::nullopt;
}

CodePoints UnescapeEntities(const CodePoints& text) {
  CodePoints out;
  for (size_t at = 0; at < text.size();) {
    if (const std::optional<Entity> entity = EntityAt(std::u32string_view(text).substr(at))) {
      out += entity->text;
      at += entity->length;
    } else {
      out += text[at++];
    }
  }
  return out;
}

// Length of a terminal colour sequence such as ESC [ 1 ; 31 m at the start of `rest`, else 0.
size_t TerminalEscapeLength(std::u32string_view rest) {
  if (rest.size() < 3 || rest[0] != 0x1B || rest[1] != '[') return 0;
  size_t at = 2;
  while (at < rest.size() && (DigitValue(rest[at], 10) >= 0 || rest[at] == ';')) ++at;
  return at < rest.size() && IsAsciiLetter(rest[at]) ? at + 1 : 0;
}

void AppendFixedCharacter(char32_t c, CodePoints& out) {
  if (Between(c, 0xFF01, 0xFFEF)) {  // full-width and half-width forms
    out += Normalize(CodePoints(1, c), UTF8PROC_COMPAT);
  } else if (c == 0x02BC || Between(c, 0x2018, 0x201B)) {
    out += U'\'';
  } else if (Between(c, 0x201C, 0x201F)) {
    out += U'"';
  } else if (!IsRemovedControl(c)) {
    for (const Spelling& ligature : kLigatures) {
      if (ligature.from[0] == c) {
        out += ligature.to;
        return;
      }
    }
    out += c;
  }
}

// Step 1 of umt5_text_encoder.md section 2.
CodePoints FixText(const CodePoints& text) {
  const CodePoints source = text.find(U'<') == CodePoints::npos ? UnescapeEntities(text) : text;
  CodePoints out;
  for (size_t at = 0; at < source.size();) {
    if (const size_t length = TerminalEscapeLength(std::u32string_view(source).substr(at))) {
      at += length;
    } else {
      AppendFixedCharacter(source[at++], out);
    }
  }
  return Normalize(out, 0);
}

// Also strips both ends.
CodePoints CollapseSpaces(const CodePoints& text) {
  CodePoints out;
  for (char32_t c : text) {
    if (!IsSpace(c)) {
      out += c;
    } else if (!out.empty() && out.back() != U' ') {
      out += U' ';
    }
  }
  if (!out.empty() && out.back() == U' ') out.pop_back();
  return out;
}

bool IsPunctuationOrSymbol(char32_t c) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_SO;
}

bool IsInvisible(char32_t c) {
  if (c == 0x2800 || c == 0x1D159) return true;  // an empty Braille cell and an empty note head: symbols by category
  const auto point = static_cast<utf8proc_int32_t>(c);
  switch (utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
      return true;
    default:
      return utf8proc_get_property(point)->ignorable != 0;  // Unicode's Default_Ignorable_Code_Point
  }
}

CodePoints WordsOnly(const CodePoints& text) {
  CodePoints out;
  for (char32_t c : text) {
    out += IsPunctuationOrSymbol(c) ? U' ' : static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
  }
  return out;
}

}  // namespace

absl::StatusOr<std::string> CleanPrompt(std::string_view prompt, PromptCleaning cleaning) {
  absl::StatusOr<CodePoints> points = DecodeUtf8(prompt);
  if (!points.ok()) return points.status();
  CodePoints text = UnescapeEntities(UnescapeEntities(FixText(*points)));
  if (cleaning == PromptCleaning::kWords) text = WordsOnly(text);
  return EncodeUtf8(CollapseSpaces(text));
}

bool IsBlank(std::string_view text) {
  const absl::StatusOr<CodePoints> points = DecodeUtf8(text);
  return points.ok() && std::all_of(points->begin(), points->end(), IsInvisible);
}

}  // namespace videodiffcr
