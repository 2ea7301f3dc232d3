// Words in lines that fit a terminal.
#ifndef VIDEODIFFCR_COMMAND_LINE_WRAP_TEXT_H_
#define VIDEODIFFCR_COMMAND_LINE_WRAP_TEXT_H_

#include <string>
#include <string_view>

namespace videodiffcr {

// The words of `text` in lines of at most 100 characters, each behind `indent` and with a line end. Words are what
// blanks part; what is longer than a line stays whole. A line end in `text` is kept.
std::string WrapText(std::string_view text, std::string_view indent);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_COMMAND_LINE_WRAP_TEXT_H_
