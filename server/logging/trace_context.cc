#include "server/logging/trace_context.h"

#include <algorithm>

namespace videodiffcr {
namespace {

// version "-" trace-id "-" parent-id "-" trace-flags
constexpr size_t kVersionDigits = 2, kTraceDigits = 32, kSpanDigits = 16, kFlagDigits = 2;
constexpr size_t kTraceAt = kVersionDigits + 1;
constexpr size_t kSpanAt = kTraceAt + kTraceDigits + 1;
constexpr size_t kFlagsAt = kSpanAt + kSpanDigits + 1;
constexpr size_t kHeaderBytes = kFlagsAt + kFlagDigits;

bool IsHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(absl::string_view text) { return text.find_first_not_of('0') == absl::string_view::npos; }

}  // namespace

TraceContext ParseTraceparent(absl::string_view header) {
  if (header.size() < kHeaderBytes) return {};
  const absl::string_view version = header.substr(0, kVersionDigits);
  const absl::string_view trace = header.substr(kTraceAt, kTraceDigits);
  const absl::string_view span = header.substr(kSpanAt, kSpanDigits);
  const absl::string_view flags = header.substr(kFlagsAt, kFlagDigits);
  const bool dashes = header[kTraceAt - 1] == '-' && header[kSpanAt - 1] == '-' && header[kFlagsAt - 1] == '-';
  // A later version may say more behind the flags; version 00 says nothing there, and there is no version ff.
  const bool ends_well = header.size() == kHeaderBytes || (version != "00" && header[kHeaderBytes] == '-');
  if (!dashes || !ends_well || version == "ff" || !IsHex(version) || !IsHex(flags)) return {};
  if (!IsHex(trace) || !IsHex(span) || IsZero(trace) || IsZero(span)) return {};
  return {std::string(trace), std::string(span)};
}

}  // namespace videodiffcr
