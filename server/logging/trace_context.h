// The caller's place in a distributed trace, as the header "traceparent" says it (W3C Trace Context, level 1).
#ifndef VIDEODIFFCR_SERVER_LOGGING_TRACE_CONTEXT_H_
#define VIDEODIFFCR_SERVER_LOGGING_TRACE_CONTEXT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace videodiffcr {

// Hexadecimal digits in lower case; both empty when the call has no trace.
struct TraceContext {
  std::string trace_id;  // 32 digits
  std::string span_id;   // 16 digits: of the caller's span
};

// Empty for what is not a valid header: a wrong one is to be treated as none.
TraceContext ParseTraceparent(absl::string_view header);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_LOGGING_TRACE_CONTEXT_H_
