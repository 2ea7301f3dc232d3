// Character references of HTML: "&eacute;", "&#233;", "&#xe9;".
#ifndef VIDEODIFFCR_MODEL_PLAIN_TEXT_HTML_ENTITIES_H_
#define VIDEODIFFCR_MODEL_PLAIN_TEXT_HTML_ENTITIES_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace videodiffcr {

struct CharacterReference {
  std::u32string text;
  size_t length = 0;  // characters it took, with & and ;
};

// As Python's html.unescape reads them, and browsers: all 2,231 names of HTML5, those of older pages also without a
// semicolon and with letters behind them ("&notit;" is "¬it;"), numbers without one too, numbers of C1 controls as
// Windows-1252's characters. What HTML does not allow becomes nothing or U+FFFD.
std::u32string UnescapeHtml(const std::u32string& text);

// As the reference's text fixing reads them (ftfy 6.3.1): only with a semicolon, and names of small letters in capitals
// as well ("&EACUTE;").
std::u32string UnescapeHtmlCautiously(const std::u32string& text);

// The reference that the latter sees at the ampersand that `rest` begins with, if it is one. It looks at no more
// characters than these.
std::optional<CharacterReference> ReadCautiously(std::u32string_view rest);
inline constexpr size_t kLongestCautiousReference = 27;

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TEXT_HTML_ENTITIES_H_
