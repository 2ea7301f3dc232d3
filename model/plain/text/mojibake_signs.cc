#include "model/plain/text/mojibake_signs.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

namespace videodiffcr {
namespace {

// Neighbours are judged by classes of characters, up to four in a row.
struct ClassBits {
  uint64_t low, high;
};
struct Triple {
  uint8_t middle, first;
  ClassBits last;
};
struct Quadruple {
  uint8_t first, second, third;
  ClassBits last;
};

#include "model/plain/text/mojibake_tables.inc"

constexpr uint8_t kNoClass = 255;

constexpr char32_t kTableSize = 0x10000;  // of what is looked up by character; beyond it nothing is listed

using ClassMap = std::unordered_map<char32_t, uint8_t>;
const ClassMap& Classes() {
  static const ClassMap* const classes = [] {
    auto* map = new ClassMap;
    for (uint8_t i = 0; i < std::size(kClassMembers); ++i) {
      for (const char16_t c : kClassMembers[i]) map->emplace(c, i);
    }
    return map;
  }();
  return *classes;
}

// What Python's regular expressions take for a space among the control characters.
bool IsSpaceControl(char32_t c) { return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F); }

uint8_t FindClass(char32_t c) {
  if (IsSpaceControl(c) && c != '\n') return kSpaceClass;
  const auto found = Classes().find(c);
  if (found != Classes().end()) return found->second;
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  if (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP) return kSpaceClass;
  const bool word = (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
                    (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
  return word ? kWordClass : kOtherClass;
}

uint8_t ClassOf(char32_t c) {
  static const auto* const classes = [] {
    auto* table = new std::vector<uint8_t>(kTableSize);
    for (char32_t listed = 0; listed < kTableSize; ++listed) (*table)[listed] = FindClass(listed);
    return table;
  }();
  return c < kTableSize ? (*classes)[c] : FindClass(c);
}

bool Has(const ClassBits& bits, uint8_t index) {
  return (((index < 64 ? bits.low : bits.high) >> (index % 64)) & 1) != 0;
}

constexpr size_t kClasses = 128;  // that the bits have room for
using Pairs = std::array<ClassBits, kClasses>;

void Mark(uint8_t index, ClassBits* bits) { (index < 64 ? bits->low : bits->high) |= uint64_t{1} << (index % 64); }

bool BadTriple(uint8_t first, uint8_t middle, uint8_t last) {
  // What may stand behind each pair.
  static const auto* const behind = [] {
    auto* table = new std::array<Pairs, kClasses>();
    for (const Triple& triple : kBadTriples) {
      ClassBits& bits = (*table)[triple.first][triple.middle];
      bits.low |= triple.last.low;
      bits.high |= triple.last.high;
    }
    return table;
  }();
  return Has((*behind)[first][middle], last);
}

bool BadQuadruple(uint8_t first, uint8_t second, uint8_t third, uint8_t last) {
  // Few pairs begin any.
  static const auto* const beginnings = [] {
    auto* table = new Pairs();
    for (const Quadruple& four : kBadQuadruples) Mark(four.second, &(*table)[four.first]);
    return table;
  }();
  if (!Has((*beginnings)[first], second)) return false;
  return std::any_of(std::begin(kBadQuadruples), std::end(kBadQuadruples), [&](const Quadruple& four) {
    return four.first == first && four.second == second && four.third == third && Has(four.last, last);
  });
}

using RoleTable = std::vector<SequenceRole>;
const RoleTable& Roles() {
  static const RoleTable* const roles = [] {
    auto* map = new RoleTable(kTableSize);
    for (const char16_t c : kFirstOf2) (*map)[c].first_of_2 = true;
    for (const char16_t c : kFirstOf3) (*map)[c].first_of_3 = true;
    for (const char16_t c : kFirstOf4) (*map)[c].first_of_4 = true;
    for (const char16_t c : kContinuation) (*map)[c].continuation = true;
    for (const char16_t c : kStrictContinuation) (*map)[c].strict_continuation = true;
    return map;
  }();
  return *roles;
}

// The one sign of more than four characters: a punctuation mark that was misread in Windows-1252, in Latin-1 and then
// in Windows-1251, before a Latin letter or a space.
bool BeginsWithThriceMisreadMark(std::u32string_view text) {
  constexpr std::u32string_view kMark = U"\u0413\u045E\u0412\u0402\u0412";
  if (text.size() < kMark.size() + 2 || text.substr(0, kMark.size()) != kMark) return false;
  const char32_t next = text[kMark.size() + 1];
  return text[kMark.size()] != '\n' && (next == ' ' || (next >= 'A' && next <= 'Z') || (next >= 'a' && next <= 'z'));
}

}  // namespace

bool LooksWronglyDecoded(std::u32string_view text, bool at_start) {
  uint8_t before[3] = {kNoClass, kNoClass, kNoClass};  // the last one last
  for (size_t i = 0; i < text.size(); ++i) {
    const uint8_t now = ClassOf(text[i]);
    if (Has(kBadAlone, now)) return true;
    if (i >= 1 && Has(kBadPairs[before[2]], now)) return true;
    if (i == 1 && at_start && Has(kBadPairsAtStart[before[2]], now)) return true;
    if (i >= 2 && BadTriple(before[1], before[2], now)) return true;
    if (i >= 3 && BadQuadruple(before[0], before[1], before[2], now)) return true;
    if (BeginsWithThriceMisreadMark(text.substr(i))) return true;
    before[0] = before[1];
    before[1] = before[2];
    before[2] = now;
  }
  return false;
}

SequenceRole RoleOf(char32_t c) { return c < kTableSize ? Roles()[c] : SequenceRole{}; }

const std::array<SingleByteEncoding, kEncodings>& Encodings() { return kEncodingTable; }

}  // namespace videodiffcr
