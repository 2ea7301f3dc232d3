// Words of others, made safe for a terminal.
#ifndef VIDEODIFFCR_COMMAND_LINE_PRINTABLE_TEXT_H_
#define VIDEODIFFCR_COMMAND_LINE_PRINTABLE_TEXT_H_

#include <string>
#include <string_view>

namespace videodiffcr {

// `text` with everything that would steer a terminal or bend the line written as \x.., byte by byte: control characters
// (line ends and tabs too), bytes that are no UTF-8, line separators and what changes the direction of writing. The
// rest of Unicode stays. Whatever a server, a file or a network said goes through here on its way to a person.
std::string PrintableText(std::string_view text);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_COMMAND_LINE_PRINTABLE_TEXT_H_
