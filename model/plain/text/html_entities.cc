#include "model/plain/text/html_entities.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "model/plain/text/mojibake.h"

namespace videodiffcr {
namespace {

using CodePoints = std::u32string;
using View = std::u32string_view;
using EntityMap = std::unordered_map<std::u32string, CodePoints>;

// "name;hex" or "name;hex+hex", spaces between; names as HTML5 lists them, a semicolon being part of them or not.
#include "model/plain/text/html_entity_table.inc"

constexpr size_t kLongestName = 32;                                     // that html.unescape looks at
constexpr size_t kLongestCautiousName = kLongestCautiousReference - 3;  // that ftfy looks at, without & # ;

bool Between(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }
bool IsDigit(char32_t c) { return Between(c, '0', '9'); }
bool IsHexDigit(char32_t c) { return IsDigit(c) || Between(c, 'a', 'f') || Between(c, 'A', 'F'); }
bool IsAlphanumeric(char32_t c) { return IsDigit(c) || Between(c, 'a', 'z') || Between(c, 'A', 'Z'); }
uint32_t DigitValue(char32_t c) { return IsDigit(c) ? c - '0' : (c | 0x20) - 'a' + 10; }

// One table's text into the map.
void Read(std::string_view table, EntityMap* map) {
  while (!table.empty()) {
    const std::string_view row = table.substr(0, table.find(' '));
    table.remove_prefix(std::min(table.size(), row.size() + 1));
    const size_t equals = row.rfind('=');
    CodePoints text;
    uint32_t value = 0;
    for (const char c : row.substr(equals + 1)) {
      if (c == '+') text += static_cast<char32_t>(std::exchange(value, 0));
      if (c != '+') value = value * 16 + DigitValue(static_cast<char32_t>(c));
    }
    text += static_cast<char32_t>(value);
    map->emplace(CodePoints(row.begin(), row.begin() + static_cast<ptrdiff_t>(equals)), text);
  }
}

const EntityMap& Entities() {
  static const EntityMap* const map = [] {
    auto* entities = new EntityMap;
    for (const std::string_view rows : kHtmlEntities) Read(rows, entities);
    return entities;
  }();
  return *map;
}

const EntityMap& CapitalEntities() {
  static const EntityMap* const map = [] {
    auto* entities = new EntityMap;
    for (const std::string_view rows : kCapitalEntities) Read(rows, entities);
    return entities;
  }();
  return *map;
}

// What a number stands for; nothing for what HTML forbids in a text.
CodePoints CharacterOf(uint32_t value) {
  if (value == 0 || Between(value, 0xD800, 0xDFFF) || value > 0x10FFFF) return CodePoints(1, 0xFFFD);
  if (value == 0x0D) return CodePoints(1, value);
  if (Between(value, 0x80, 0x9F)) return ReplaceC1Controls(CodePoints(1, value));
  const bool forbidden = Between(value, 0x01, 0x08) || value == 0x0B || Between(value, 0x0E, 0x1F) || value == 0x7F ||
                         Between(value, 0xFDD0, 0xFDEF) || (value & 0xFFFE) == 0xFFFE;
  return forbidden ? CodePoints() : CodePoints(1, value);
}

using Reference = CharacterReference;

// "&#65;" or "&#x41;" at the start of `rest`; the semicolon may be missing.
std::optional<Reference> Number(View rest) {
  const bool hex = rest.size() > 2 && (rest[2] == 'x' || rest[2] == 'X');
  const size_t first = hex ? 3 : 2;
  size_t at = first;
  uint32_t value = 0;
  for (; at < rest.size() && (hex ? IsHexDigit(rest[at]) : IsDigit(rest[at])); ++at) {
    value = value * (hex ? 16 : 10) + DigitValue(rest[at]);
    if (value > 0x10FFFF) value = 0x110000;  // stays out of range however many digits follow
  }
  if (at == first) return std::nullopt;
  if (at < rest.size() && rest[at] == ';') ++at;
  return Reference{CharacterOf(value), at};
}

// A name, as much of it as HTML5 knows.
std::optional<Reference> Name(View rest) {
  size_t end = 1;
  const auto ends_name = [](char32_t c) {
    return c == '\t' || c == '\n' || c == '\f' || c == ' ' || c == '<' || c == '&' || c == '#' || c == ';';
  };
  while (end < rest.size() && end <= kLongestName && !ends_name(rest[end])) ++end;
  if (end == 1) return std::nullopt;
  const bool semicolon = end < rest.size() && rest[end] == ';';
  const CodePoints name(rest.substr(1, end - 1 + (semicolon ? 1 : 0)));
  for (size_t length = name.size(); length > 1; --length) {
    const auto found = Entities().find(name.substr(0, length));
    if (found != Entities().end()) return Reference{found->second, 1 + length};
  }
  return std::nullopt;
}

// `find` looks for a reference at an ampersand.
template <typename Find>
CodePoints Replace(const CodePoints& text, const Find& find) {
  CodePoints out;
  for (size_t at = 0; at < text.size();) {
    const std::optional<Reference> reference =
        text[at] == '&' ? find(View(text).substr(at)) : std::optional<Reference>();
    if (reference.has_value()) {
      out += reference->text;
      at += reference->length;
    } else {
      out += text[at++];
    }
  }
  return out;
}

}  // namespace

std::u32string UnescapeHtml(const std::u32string& text) {
  return Replace(text, [](View rest) { return rest.size() > 1 && rest[1] == '#' ? Number(rest) : Name(rest); });
}

std::u32string UnescapeHtmlCautiously(const std::u32string& text) { return Replace(text, ReadCautiously); }

std::optional<CharacterReference> ReadCautiously(View rest) {
  const bool number = rest.size() > 1 && rest[1] == '#';
  const size_t first = number ? 2 : 1;
  size_t end = first;
  while (end < rest.size() && end - first < kLongestCautiousName && IsAlphanumeric(rest[end])) ++end;
  if (end == first || end == rest.size() || rest[end] != ';') return std::nullopt;
  if (number) {
    std::optional<Reference> found = Number(rest);
    // A semicolon in what it stands for would be read as the end of another reference.
    if (!found.has_value() || found->length != end + 1 || found->text == U";") return std::nullopt;
    return found;
  }
  const CodePoints name(rest.substr(1, end));
  for (const EntityMap* map : {&Entities(), &CapitalEntities()}) {
    const auto found = map->find(name);
    if (found != map->end()) return Reference{found->second, end + 1};
  }
  return std::nullopt;
}

}  // namespace videodiffcr
