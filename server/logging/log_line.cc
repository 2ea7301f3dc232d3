#include "server/logging/log_line.h"

#include <unistd.h>

#include <atomic>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/logging/log_writer.h"

namespace videodiffcr {
namespace {

constexpr size_t kMaxLines = 1024;  // a burst of refusals; with the longest line 4 MiB

std::atomic<LogFormat> format_in_use = LogFormat::kText;
std::atomic<LogLevel> least_level = LogLevel::kInfo;

// Never destroyed: a thread may still have something to say while the process ends.
LogWriter& StandardError() {
  static LogWriter* const writer = new LogWriter(STDERR_FILENO, kMaxLines);
  return *writer;
}

const char* NameOf(LogLevel level) {
  constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
  return kNames[static_cast<int>(level)];
}

std::string Escaped(absl::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (absl::ascii_isprint(static_cast<unsigned char>(c))) {
      escaped.push_back(c);
    } else {
      absl::StrAppend(&escaped, "\\x", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    }
  }
  return escaped;
}

// As a JSON string. After Escaped() only the two characters that JSON itself uses are left to mind.
std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : Escaped(text)) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

bool IsEmpty(const LogField& field) {
  const auto* text = std::get_if<std::string>(&field.value);
  return text != nullptr && text->empty();
}

std::string ValueOf(const LogField& field, LogFormat format) {
  if (const auto* text = std::get_if<std::string>(&field.value)) {
    // In a text line a blank would end the value.
    const bool plain = format == LogFormat::kText && text->find_first_of(" \"=") == std::string::npos;
    return plain ? Escaped(*text) : Quoted(*text);
  }
  if (const auto* number = std::get_if<int64_t>(&field.value)) return absl::StrCat(*number);
  return absl::StrCat(std::get<double>(field.value));
}

}  // namespace

void ConfigureLog(LogFormat format, LogLevel least) {
  format_in_use = format;
  least_level = least;
}

std::string FormatLogRecord(const LogRecord& record, LogFormat format, absl::Time now) {
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", now, absl::UTCTimeZone());
  const bool json = format == LogFormat::kJson;
  std::string line = json ? absl::StrCat("{\"time\":\"", time, "\",\"level\":\"", NameOf(record.level),
                                         "\",\"event\":\"", record.event, "\",\"message\":", Quoted(record.message))
                          : absl::StrCat(time, " ", NameOf(record.level), " ", Escaped(record.message));
  for (const LogField& field : record.fields) {
    if (IsEmpty(field)) continue;
    const std::string value = ValueOf(field, format);
    if (json) {
      absl::StrAppend(&line, ",\"", field.name, "\":", value);
    } else {
      absl::StrAppend(&line, " ", field.name, "=", value);
    }
  }
  if (json) line += "}";
  return line;
}

void Log(const LogRecord& record) {
  if (record.level < least_level.load() && !record.audit) return;
  StandardError().Write(FormatLogRecord(record, format_in_use.load(), absl::Now()));
}

void LogLine(absl::string_view text, LogLevel level) {
  LogRecord record;
  record.level = level;
  record.message = std::string(text);
  Log(record);
}

int64_t DroppedLogLines() { return StandardError().dropped(); }

void FlushLog(absl::Duration timeout) { StandardError().Flush(timeout); }

}  // namespace videodiffcr
