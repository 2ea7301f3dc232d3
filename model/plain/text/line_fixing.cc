#include "model/plain/text/line_fixing.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "model/plain/text/code_points.h"
#include "model/plain/text/html_entities.h"
#include "model/plain/text/mojibake.h"
#include "model/plain/text/mojibake_signs.h"
#include "model/plain/text/reference_passes.h"

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

// Control characters without a meaning in text; line breaks and tabs are spaces and stay.
bool IsRemovedControl(char32_t c) {
  return Between(c, 0x00, 0x08) || c == 0x0B || Between(c, 0x0E, 0x1F) || c == 0x7F || Between(c, 0x206A, 0x206F) ||
         c == 0xFEFF || Between(c, 0xFFF9, 0xFFFC);
}

bool IsDigit(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ND; }
bool IsAsciiLetter(char32_t c) { return Between(c, 'a', 'z') || Between(c, 'A', 'Z'); }

uint8_t CombiningClass(char32_t c) {
  return static_cast<uint8_t>(utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class);
}

// Three signs of Tibetan that are two accents and have no combining class themselves, as these two.
CodePoints WithDoubleAccentsApart(const CodePoints& points) {
  CodePoints out;
  for (const char32_t c : points) {
    const bool is_double = c == 0x0F73 || c == 0x0F75 || c == 0x0F81;
    if (is_double) out += char32_t{0x0F71};
    out += is_double ? c - 1 : c;
  }
  return out;
}

// Accents and the like behind one letter, in the order that normalisation gives them, where they are many: utf8proc
// moves each past every other. No character with a combining class is made of parts with another.
CodePoints WithManyAccentsSorted(const CodePoints& text) {
  CodePoints points = WithDoubleAccentsApart(text);
  constexpr ptrdiff_t kMany = 32;
  for (auto first = points.begin(); first != points.end();) {
    first = std::find_if(first, points.end(), [](char32_t c) { return c >= 0x300 && CombiningClass(c) != 0; });
    const auto last = std::find_if(first, points.end(), [](char32_t c) { return CombiningClass(c) == 0; });
    if (last - first > kMany) {
      std::stable_sort(first, last, [](char32_t a, char32_t b) { return CombiningClass(a) < CombiningClass(b); });
    }
    first = last;
  }
  return points;
}

// Unicode normalisation: NFC, or NFKC with UTF8PROC_COMPAT in `options`.
CodePoints Normalize(const CodePoints& points, int options) {
  const std::string text = EncodeUtf8(WithManyAccentsSorted(points));
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

// Whether RepairMojibake(), which has left `text` alone, leaves it alone whatever signs it has.
bool CannotBeRepaired(const CodePoints& text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x80; });
  return ascii || LooksWronglyDecoded(text);
}

// `line` is as FixCharacters() leaves it, and stays so while most of its references are replaced: those passes need not
// be made. The line behind the first one that changes more, or when no reference is left.
CodePoints FollowReferences(const CodePoints& line) {
  ReferencePasses passes(line);
  bool cannot_be_repaired = CannotBeRepaired(line);
  while (passes.Next()) {
    if (passes.ChangedNothingElse(cannot_be_repaired)) continue;
    const CodePoints text = passes.text();
    CodePoints fixed = FixCharacters(text);
    if (fixed != text) return fixed;
    cannot_be_repaired = CannotBeRepaired(text);
  }
  return passes.text();
}

}  // namespace

CodePoints FixCharacters(CodePoints line) {
  line = ReplaceC1Controls(RepairMojibake(std::move(line)));
  return Normalize(RemoveControls(StraightenQuotesAndLines(PlainForms(line))), 0);
}

CodePoints FixLine(CodePoints line, bool unescape) {
  while (true) {
    CodePoints fixed = FixCharacters(unescape ? UnescapeHtmlCautiously(line) : line);
    if (fixed == line) return fixed;
    line = std::move(fixed);
    const bool has_references = unescape && line.find(U'&') != CodePoints::npos;
    if (has_references && FixCharacters(line) == line) line = FollowReferences(line);
  }
}

}  // namespace videodiffcr
