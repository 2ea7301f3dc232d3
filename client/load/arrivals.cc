#include "client/load/arrivals.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "system/regular_file.h"

namespace videodiffcr {
namespace {

constexpr int kMostAtOnce = 100'000;
constexpr size_t kMostArrivals = 1'000'000;
constexpr int64_t kMaxTraceBytes = 64 << 20;

absl::Status Unknown() {
  return absl::InvalidArgumentError("must be closed:N, poisson:PER_SECOND, burst:N@TIME or trace:FILE");
}

bool ParseCount(absl::string_view text, int* count) {
  return absl::SimpleAtoi(text, count) && *count >= 1 && *count <= kMostAtOnce;
}

absl::StatusOr<std::vector<absl::Duration>> ReadTrace(const std::string& path, absl::Duration duration) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMaxTraceBytes);
  if (!text.ok()) return absl::Status(text.status().code(), absl::StrCat("the trace ", text.status().message()));
  std::istringstream file(*text);
  std::vector<absl::Duration> times;
  int line_number = 0;
  for (std::string line; std::getline(file, line);) {
    ++line_number;
    const absl::string_view number = absl::StripAsciiWhitespace(line);
    if (number.empty() || number[0] == '#') continue;
    double seconds;
    if (!absl::SimpleAtod(number, &seconds) || !std::isfinite(seconds) || seconds < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", line_number, ": must be a number of seconds from 0 on, or a # and a comment"));
    }
    if (absl::Seconds(seconds) < duration) times.push_back(absl::Seconds(seconds));
    if (times.size() > kMostArrivals) return absl::InvalidArgumentError(absl::StrCat(path, " has too many lines"));
  }
  std::sort(times.begin(), times.end());
  return times;
}

}  // namespace

absl::StatusOr<Arrivals> ParseArrivals(std::string_view text) {
  const std::vector<std::string> parts =
      absl::StrSplit(absl::string_view(text.data(), text.size()), absl::MaxSplits(':', 1));
  if (parts.size() != 2 || parts[1].empty()) return Unknown();
  Arrivals arrivals;
  if (parts[0] == "closed") {
    arrivals.kind = Arrivals::Kind::kClosed;
    return ParseCount(parts[1], &arrivals.count) ? absl::StatusOr<Arrivals>(arrivals) : Unknown();
  }
  if (parts[0] == "poisson") {
    arrivals.kind = Arrivals::Kind::kPoisson;
    const bool good =
        absl::SimpleAtod(parts[1], &arrivals.per_second) && arrivals.per_second > 0 && arrivals.per_second <= 10'000;
    return good ? absl::StatusOr<Arrivals>(arrivals) : Unknown();
  }
  if (parts[0] == "burst") {
    arrivals.kind = Arrivals::Kind::kBurst;
    const std::vector<std::string> burst = absl::StrSplit(parts[1], '@');
    const bool good = burst.size() == 2 && ParseCount(burst[0], &arrivals.count) &&
                      absl::ParseDuration(burst[1], &arrivals.period) && arrivals.period >= absl::Milliseconds(1);
    return good ? absl::StatusOr<Arrivals>(arrivals) : Unknown();
  }
  if (parts[0] != "trace") return Unknown();
  arrivals.kind = Arrivals::Kind::kTrace;
  arrivals.trace_file = parts[1];
  return arrivals;
}

absl::StatusOr<std::vector<absl::Duration>> ArrivalTimes(const Arrivals& arrivals, absl::Duration duration,
                                                         std::mt19937_64* random) {
  std::vector<absl::Duration> times;
  switch (arrivals.kind) {
    case Arrivals::Kind::kClosed:
      return times;
    case Arrivals::Kind::kTrace:
      return ReadTrace(arrivals.trace_file, duration);
    case Arrivals::Kind::kBurst:
      for (absl::Duration at; at < duration && times.size() < kMostArrivals; at += arrivals.period) {
        times.insert(times.end(), arrivals.count, at);
      }
      return times;
    case Arrivals::Kind::kPoisson:
      break;
  }
  std::exponential_distribution<double> pause(arrivals.per_second);
  for (absl::Duration at = absl::Seconds(pause(*random)); at < duration && times.size() < kMostArrivals;
       at += absl::Seconds(pause(*random))) {
    times.push_back(at);
  }
  return times;
}

}  // namespace videodiffcr
