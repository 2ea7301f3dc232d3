#include "model/plain/text/line_fixing.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "model/plain/text/code_points.h"
#include "model/plain/text/html_entities.h"

namespace videodiffcr {
namespace {

// As the reference does it: pass after pass over the whole line until nothing changes.
std::u32string FixPassByPass(std::u32string line) {
  while (true) {
    std::u32string fixed = FixCharacters(UnescapeHtmlCautiously(line));
    if (fixed == line) return fixed;
    line = std::move(fixed);
  }
}

std::u32string Repeated(std::u32string_view part, int times) {
  std::u32string all;
  for (int i = 0; i < times; ++i) all += part;
  return all;
}

constexpr std::u32string_view kParts[] = {
    // Of references, and of what they leave.
    U"&", U"&", U"&", U"amp;", U"amp;", U"AMP;", U"#38;", U"#x26;", U"#35;", U"35;", U"38;", U"&#97;", U"mp;", U"semi;",
    U"lt;", U"gt;", U"quot;", U"nbsp;", U"&#63;", U"&#113;", U"&#117;", U"&#32;", U"&#10;", U"&#13;", U"&#27;", U"[31m",
    U"eacute;", U"Atilde;", U"copy;", U"euro;", U"fnof;", U"#131;", U"#xFFFD;", U"#769;", U"ffilig;", U"&#59;",
    // Beside them.
    U" ", U"a", U"uele", U"uilo", U"?", U";", U"#", U"\u0301", U"\u00E9", U"\u00C3", U"\u00C3 ", U"\u00A9", U"\u0192",
    U"\u20AC", U"\u2122", U"\u00E2", U"\u00F0", U"\u0178", U"\u02DC", U"\u00C2", U"\u00A0", U"\uFFFD", U"\u0160",
    U"\u00D7", U"\u00EF\u00BF\u00BD", U"\u0081", U"\u0413\u045E\u0412\u0402\u0412", U"\u4E2D", U"\uFF21"};

TEST(LineFixing, ReferencesThatMakeReferencesEndWhereThePassesEnd) {
  std::mt19937 random(5);
  const auto below = [&random](size_t most) { return random() % most; };
  for (int i = 0; i < 30'000; ++i) {
    std::u32string line;
    const size_t kinds = 2 + below(std::size(kParts));
    const size_t first = below(std::size(kParts));
    for (size_t parts = 1 + below(40); parts > 0; --parts) {
      line += kParts[(first + below(kinds)) % std::size(kParts)];
    }
    // Deep ones, after any text and before any.
    for (size_t chains = below(3); chains > 0; --chains) {
      const std::u32string_view unit =
          std::vector<std::u32string_view>{U"amp;", U"#38;", U"amp;#x26;", U"AMP;#38;amp;"}[below(4)];
      std::u32string chain = U"&" + Repeated(unit, static_cast<int>(below(8)));
      if (below(3) == 0)
        chain = Repeated(U"&", static_cast<int>(1 + below(8))) + U"#35;" + Repeated(U"35;", static_cast<int>(below(8)));
      chain += kParts[below(std::size(kParts))];
      line.insert(below(line.size() + 1), chain);
    }
    ASSERT_EQ(EncodeUtf8(FixLine(line, true)), EncodeUtf8(FixPassByPass(line))) << EncodeUtf8(line);
  }
}

TEST(LineFixing, ManyAccentsBehindOneLetterComeInTheOrderOfNfc) {
  // Of Python's unicodedata.
  EXPECT_EQ(EncodeUtf8(FixCharacters(U"a" + Repeated(U"\u0301\u0323", 20))),
            EncodeUtf8(U"\u1EA1" + Repeated(U"\u0323", 19) + Repeated(U"\u0301", 20)));
  EXPECT_EQ(EncodeUtf8(FixCharacters(U"a" + Repeated(U"\u0F75", 40))),
            EncodeUtf8(U"a" + Repeated(U"\u0F71", 40) + Repeated(U"\u0F74", 40)));
}

// Each takes some ten thousand passes, which over the whole line would take minutes.
TEST(LineFixing, ALongChainOfReferencesTakesNoTimeWorthMentioning) {
  constexpr int kTimes = 10'000;
  for (const std::u32string_view text : {U" a red circle", U"\u0301", U" \u00D7\u00E9\u0192"}) {
    for (const std::u32string_view before : {U"", U"\u00E9", U"\u00C3 ", U"\u00C3\u00C3\uFFFD"}) {
      const auto fixed = [&](const std::u32string& chain) {
        return EncodeUtf8(FixLine(std::u32string(before) + chain + std::u32string(text), true));
      };
      EXPECT_EQ(fixed(U"&" + Repeated(U"amp;", kTimes)), fixed(U"&amp;amp;amp;"));
      EXPECT_EQ(fixed(U"&" + Repeated(U"amp;#38;AMP;", kTimes)), fixed(U"&amp;amp;amp;"));
      EXPECT_EQ(fixed(Repeated(U"&", kTimes) + U"#35;" + Repeated(U"35;", kTimes - 2) + U"120;"), fixed(U"&#120;"));
    }
  }
}

}  // namespace
}  // namespace videodiffcr
