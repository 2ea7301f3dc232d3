#include "server/logging/grpc_log.h"

#include <algorithm>
#include <atomic>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "grpc/support/log.h"
#include "server/logging/log_line.h"

namespace videodiffcr {
namespace {

std::atomic<bool> quote_peers = false;

// Behind these gRPC 1.51 writes what a peer sent: a header's value, the name that a TLS client asks for, the text of a
// GOAWAY, and whatever it puts into quotation marks.
constexpr std::initializer_list<absl::string_view> kBeforePeersWords = {
    " value=", "server name: ", "Debug Text: ", "\"", " '", "('"};

}  // namespace

std::string WithoutPeersWords(absl::string_view line) {
  size_t end = line.size();
  for (const absl::string_view mark : kBeforePeersWords) {
    const size_t found = line.find(mark);
    if (found != absl::string_view::npos) end = std::min(end, found + mark.size());
  }
  return end == line.size() ? std::string(line) : absl::StrCat(line.substr(0, end), "...");
}

void LetGrpcLogQuotePeers(bool quote) { quote_peers = quote; }

void RouteGrpcLog() {
  gpr_set_log_function([](gpr_log_func_args* arguments) {
    const bool error = arguments->severity == GPR_LOG_SEVERITY_ERROR;
    const absl::string_view line = absl::StripSuffix(arguments->message, "\n");
    LogRecord record{error ? LogLevel::kWarning : LogLevel::kDebug, "grpc",
                     quote_peers ? std::string(line) : WithoutPeersWords(line)};
    Log(record);
  });
}

}  // namespace videodiffcr
