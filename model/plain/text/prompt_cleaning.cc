#include "model/plain/text/prompt_cleaning.h"

#include <utf8proc.h>

#include <algorithm>

#include "model/plain/text/code_points.h"
#include "model/plain/text/html_entities.h"
#include "model/plain/text/line_fixing.h"

namespace videodiffcr {
namespace {

using CodePoints = std::u32string;

bool Between(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

// What Python's \s matches.
bool IsSpace(char32_t c) {
  return Between(c, 0x09, 0x0D) || Between(c, 0x1C, 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         Between(c, 0x2000, 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
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
