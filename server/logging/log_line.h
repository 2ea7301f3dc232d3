// One line of text on standard error. Whoever runs the server decides where that goes.
#ifndef VIDEODIFFCR_SERVER_LOGGING_LOG_LINE_H_
#define VIDEODIFFCR_SERVER_LOGGING_LOG_LINE_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace videodiffcr {

// Hands time (UTC) and `text` to the thread that writes to standard error, and returns at once, whether or not anybody
// reads there: a line that finds no room is dropped and counted (log_writer.h). What is not printable ASCII is escaped
// here, once. `text` holds no prompt and no token.
void LogLine(absl::string_view text);

// Lines that were dropped since the process began.
int64_t DroppedLogLines();

// Waits until all lines so far were written, or for `timeout`. Call it where the process ends.
void FlushLog(absl::Duration timeout);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_LOGGING_LOG_LINE_H_
