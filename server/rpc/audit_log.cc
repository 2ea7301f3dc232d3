#include "server/rpc/audit_log.h"

#include "absl/strings/str_cat.h"
#include "server/logging/log_line.h"
#include "server/rpc/error_details.h"
#include "server/rpc/status_conversion.h"
#include "system/guarded.h"

namespace videodiffcr {
namespace {

// A line that there is no memory for is left out, as one that nobody reads is: no session ends, or begins without
// anyone to end it, for that.
template <typename Write>
void LeaveOutWithoutMemory(const Write& write) {
  Guarded("a line of the log", write).IgnoreError();
}

LogRecord Audit(const char* event, const char* message) {
  LogRecord record;
  record.event = event;
  record.message = message;
  record.audit = true;
  return record;
}

void AddStatus(const absl::Status& status, bool quote_clients, LogRecord* record) {
  record->fields.push_back({"code", CodeName(status.code())});
  if (status.ok()) return;
  record->fields.push_back({"reason", ReasonSent(status)});
  record->fields.push_back({"error", ForLog(status, quote_clients)});
}

}  // namespace

void LogSessionStarted(const std::string& session, const Caller& caller, VideoCodec codec, int64_t length_chunks,
                       uint64_t seed) {
  LeaveOutWithoutMemory([&] {
    LogRecord record = Audit("session_started", "session started");
    record.fields.push_back({"session", session});
    AddCaller(caller, &record);
    record.fields.push_back({"codec", std::string(CodecName(codec))});
    record.fields.push_back({"chunks", length_chunks});
    record.fields.push_back({"seed", absl::StrCat(seed)});  // as text: JSON's numbers end at 2^53
    Log(record);
  });
}

void LogSessionResumed(const std::string& session, const Caller& caller, int64_t next_chunk) {
  LeaveOutWithoutMemory([&] {
    LogRecord record = Audit("session_resumed", "session resumed");
    record.fields.push_back({"session", session});
    AddCaller(caller, &record);
    record.fields.push_back({"next_chunk", next_chunk});
    Log(record);
  });
}

void LogSessionLeft(const std::string& session, absl::Duration grace) {
  LeaveOutWithoutMemory([&] {
    LogRecord record{LogLevel::kInfo, "session_left", "session waits for its client", {}};
    record.fields.push_back({"session", session});
    record.fields.push_back({"grace_seconds", absl::ToDoubleSeconds(grace)});
    Log(record);
  });
}

void LogSessionWatched(const std::string& session, const Caller& watcher) {
  LeaveOutWithoutMemory([&] {
    LogRecord record = Audit("session_watched", "session watched");
    record.fields.push_back({"session", session});
    AddCaller(watcher, &record);
    Log(record);
  });
}

void LogSessionEnded(const std::string& session, const Caller& caller, const absl::Status& status, bool quote_clients,
                     int64_t chunks, absl::Duration lasted) {
  LeaveOutWithoutMemory([&] {
    LogRecord record = Audit("session_ended", "session ended");
    record.fields.push_back({"session", session});
    AddCaller(caller, &record);
    AddStatus(status, quote_clients, &record);
    record.fields.push_back({"chunks", chunks});
    record.fields.push_back({"seconds", absl::ToDoubleSeconds(lasted)});
    Log(record);
  });
}

void LogCallRefused(const Caller& caller, const absl::Status& status, bool quote_clients) {
  LeaveOutWithoutMemory([&] {
    LogRecord record = Audit("call_refused", "call refused");
    AddCaller(caller, &record);
    AddStatus(status, quote_clients, &record);
    Log(record);
  });
}

}  // namespace videodiffcr
