// One line of text on standard error. Whoever runs the server decides where that goes.
#ifndef VIDEODIFFCR_SERVER_LOGGING_LOG_LINE_H_
#define VIDEODIFFCR_SERVER_LOGGING_LOG_LINE_H_

#include "absl/strings/string_view.h"

namespace videodiffcr {

// Writes time (UTC), `text` and a line break in one piece, so that lines of different threads never mix. `text` holds
// no bytes that a client chose: Printable() them first.
void LogLine(absl::string_view text);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_LOGGING_LOG_LINE_H_
