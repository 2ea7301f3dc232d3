#include "model/plain/text/prompt_cleaning.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/plain/text/html_entities.h"
#include "model/plain/text/mojibake.h"

namespace videodiffcr {
namespace {

using CodePoints = std::u32string;

struct Spelling {
  std::u32string_view from, to;
};

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

bool IsDigit(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND; }
bool IsAsciiLetter(char32_t c) { return Between(c, 'a', 'z') || Between(c, 'A', 'Z'); }

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

// Length of a terminal colour sequence such as ESC [ 1 ; 31 m at the start of `rest`, else 0.
size_t TerminalEscapeLength(std::u32string_view rest) {
  if (rest.size() < 3 || rest[0] != 0x1B || rest[1] != '[') return 0;
  size_t at = 2;
  while (at < rest.size() && (IsDigit(rest[at]) || rest[at] == ';')) ++at;
  return at < rest.size() && IsAsciiLetter(rest[at]) ? at + 1 : 0;
}

// Letters that are one character for technical reasons, and forms of half and full width, as the usual ones.
CodePoints PlainForms(const CodePoints& text) {
  CodePoints out;
  for (const char32_t c : text) {
    const auto ligature = std::find_if(kLigatures.begin(), kLigatures.end(),
                                       [c](const Spelling& spelling) { return spelling.from[0] == c; });
    if (ligature != kLigatures.end()) {
      out += ligature->to;
    } else if (Between(c, 0xFF01, 0xFFEF)) {
      out += Normalize(CodePoints(1, c), UTF8PROC_COMPAT);
    } else {
      out += c == 0x3000 ? U' ' : c;
    }
  }
  return out;
}

void AppendPlain(char32_t c, CodePoints& out) {
  if (c == 0x02BC || Between(c, 0x2018, 0x201B)) {
    out += U'\'';
  } else if (Between(c, 0x201C, 0x201F)) {
    out += U'"';
  } else if (c == 0x2028 || c == 0x2029 || c == 0x85) {
    out += U'\n';
  } else {
    out += c;
  }
}

CodePoints StraightenQuotesAndLines(const CodePoints& text) {
  CodePoints out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == U'\r') {
      if (at + 1 < text.size() && text[at + 1] == U'\n') continue;
      out += U'\n';
    } else {
      AppendPlain(text[at], out);
    }
  }
  return out;
}

CodePoints RemoveControls(const CodePoints& text) {
  CodePoints out, visible;
  for (size_t at = 0; at < text.size();) {
    const size_t length = TerminalEscapeLength(std::u32string_view(text).substr(at));
    if (length == 0) out += text[at];
    at += std::max<size_t>(length, 1);
  }
  for (const char32_t c : out) {
    if (!IsRemovedControl(c)) visible += c;
  }
  return visible;
}

// One line as ftfy 6.3.1 fixes it: again and again until nothing changes.
CodePoints FixLine(CodePoints line, bool unescape) {
  while (true) {
    CodePoints fixed = unescape ? UnescapeHtmlCautiously(line) : line;
    fixed = ReplaceC1Controls(RepairMojibake(std::move(fixed)));
    fixed = Normalize(RemoveControls(StraightenQuotesAndLines(PlainForms(fixed))), 0);
    if (fixed == line) return fixed;
    line = std::move(fixed);
  }
}

// Step 1 of umt5_text_encoder.md section 2. A tag makes what looks like an entity stay, in its line and all that
// follow: it is HTML then, and not text that was escaped by mistake.
CodePoints FixText(const CodePoints& text) {
  CodePoints out;
  bool unescape = true;
  for (size_t at = 0; at < text.size();) {
    const size_t newline = text.find(U'\n', at);
    const CodePoints line = text.substr(at, newline == CodePoints::npos ? newline : newline + 1 - at);
    at += line.size();
    unescape = unescape && line.find(U'<') == CodePoints::npos;
    out += FixLine(line, unescape);
  }
  return out;
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
  CodePoints text = UnescapeHtml(UnescapeHtml(FixText(*points)));
  if (cleaning == PromptCleaning::kWords) text = WordsOnly(text);
  return EncodeUtf8(CollapseSpaces(text));
}

bool IsBlank(std::string_view text) {
  const absl::StatusOr<CodePoints> points = DecodeUtf8(text);
  return points.ok() && std::all_of(points->begin(), points->end(), IsInvisible);
}

}  // namespace videodiffcr
