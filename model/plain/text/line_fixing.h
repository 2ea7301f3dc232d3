// What the reference's text fixing (ftfy 6.3.1) makes of one line (umt5_text_encoder.md section 2).
#ifndef VIDEODIFFCR_MODEL_PLAIN_TEXT_LINE_FIXING_H_
#define VIDEODIFFCR_MODEL_PLAIN_TEXT_LINE_FIXING_H_

#include <string>

namespace videodiffcr {

// One pass over the line but for its character references: text that was decoded wrongly, ligatures, widths, curly
// quotes, line breaks, control characters, NFC.
std::u32string FixCharacters(std::u32string line);

// `unescape`: UnescapeHtmlCautiously(), then FixCharacters(), again and again until neither changes anything. In time
// by what changes, however many passes these are: a prompt may take a third of its length of them ("&amp;amp;amp;").
std::u32string FixLine(std::u32string line, bool unescape);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TEXT_LINE_FIXING_H_
