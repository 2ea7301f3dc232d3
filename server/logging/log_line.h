// Lines on standard error, as text or as JSON. Whoever runs the server decides where they go.
//
// One schema for both. Text: time, level, message, then name=value for each field. JSON, one object per line: "time"
// (UTC), "level", "event" (what happened, a fixed word by which lines are found), "message", then the fields under
// their own names. docs/operating.md lists events and fields.
#ifndef VIDEODIFFCR_SERVER_LOGGING_LOG_LINE_H_
#define VIDEODIFFCR_SERVER_LOGGING_LOG_LINE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace videodiffcr {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

// A name fit for JSON and its value; an empty text is left out.
struct LogField {
  const char* name;
  std::variant<std::string, int64_t, double> value;
};

struct LogRecord {
  LogLevel level = LogLevel::kInfo;
  const char* event = "server";
  std::string message;
  std::vector<LogField> fields;
  // Says who did what, and is written whatever the level asked for.
  bool audit = false;
};

// Of the whole process, from now on; text and kInfo until it is called.
void ConfigureLog(LogFormat format, LogLevel least);

// Hands the line to the thread that writes to standard error, and returns at once, whether or not anybody reads there:
// a line that finds no room is dropped and counted (log_writer.h). What is not printable ASCII is escaped here, once.
// No message and no field holds a prompt or a token.
void Log(const LogRecord& record);

// What Log() writes of it at `now`, without the line's end.
std::string FormatLogRecord(const LogRecord& record, LogFormat format, absl::Time now);

// Log() of a message alone.
void LogLine(absl::string_view text, LogLevel level = LogLevel::kInfo);

// Lines that were dropped since the process began.
int64_t DroppedLogLines();

// Waits until all lines so far were written, or for `timeout`. Call it where the process ends.
void FlushLog(absl::Duration timeout);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_LOGGING_LOG_LINE_H_
