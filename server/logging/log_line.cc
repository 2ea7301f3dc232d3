#include "server/logging/log_line.h"

#include <unistd.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/logging/log_writer.h"

namespace videodiffcr {
namespace {

constexpr size_t kMaxLines = 1024;  // a burst of refusals; with the longest line 4 MiB

// Never destroyed: a thread may still have something to say while the process ends.
LogWriter& StandardError() {
  static LogWriter* const writer = new LogWriter(STDERR_FILENO, kMaxLines);
  return *writer;
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

}  // namespace

void LogLine(absl::string_view text) {
  StandardError().Write(
      absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone()), " ", Escaped(text)));
}

int64_t DroppedLogLines() { return StandardError().dropped(); }

void FlushLog(absl::Duration timeout) { StandardError().Flush(timeout); }

}  // namespace videodiffcr
