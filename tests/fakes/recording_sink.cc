#include "tests/fakes/recording_sink.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

constexpr std::chrono::seconds kPatience{30};

std::string StateName(SessionState state) {
  switch (state) {
    case SessionState::kWaiting:
      return "waiting";
    case SessionState::kGenerating:
      return "generating";
    case SessionState::kPaused:
      return "paused";
    case SessionState::kBlocked:
      return "blocked";
    case SessionState::kFinishing:
      return "finishing";
    case SessionState::kEnded:
      return "ended";
  }
  return "unknown";
}

}  // namespace

void SinkLog::HoldChunks() {
  MutexLock lock(&mutex_);
  hold_chunks_ = true;
}

void SinkLog::ReleaseChunks() {
  MutexLock lock(&mutex_);
  hold_chunks_ = false;
  changed_.NotifyAll();
}

void SinkLog::FailChunk(int64_t sequence, absl::Status status) {
  MutexLock lock(&mutex_);
  failures_[sequence] = std::move(status);
}

void SinkLog::LoseMemoryAt(const std::string& event) {
  MutexLock lock(&mutex_);
  without_memory_.insert(event);
}

void SinkLog::SetBytesPerChunk(int64_t bytes) {
  MutexLock lock(&mutex_);
  bytes_per_chunk_ = bytes;
}

void SinkLog::SetHold(std::optional<ChunkHold> hold) {
  MutexLock lock(&mutex_);
  hold_ = hold;
}

bool SinkLog::WaitFor(const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= give_up) return false;
    changed_.WaitFor(&mutex_, kPatience);
  }
  return true;
}

bool SinkLog::WaitForChunks(int64_t count) {
  MutexLock lock(&mutex_);
  return WaitFor([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return chunks_.size() >= static_cast<size_t>(count); });
}

bool SinkLog::WaitForHeldChunk() {
  MutexLock lock(&mutex_);
  return WaitFor([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return chunk_held_; });
}

bool SinkLog::WaitForEvent(const std::string& event, int times) {
  MutexLock lock(&mutex_);
  return WaitFor(
      [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return std::count(events_.begin(), events_.end(), event) >= times; });
}

bool SinkLog::WaitForEnd() {
  MutexLock lock(&mutex_);
  return WaitFor([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return destroyed_; });
}

std::vector<std::string> SinkLog::events() const {
  MutexLock lock(&mutex_);
  return events_;
}

std::vector<GeneratedChunk> SinkLog::chunks() const {
  MutexLock lock(&mutex_);
  return chunks_;
}

absl::Status SinkLog::end_status() const {
  MutexLock lock(&mutex_);
  return end_status_;
}

SessionTotals SinkLog::totals() const {
  MutexLock lock(&mutex_);
  return totals_;
}

bool SinkLog::calls_overlapped() const {
  MutexLock lock(&mutex_);
  return calls_overlapped_;
}

bool SinkLog::destroyed() const {
  MutexLock lock(&mutex_);
  return destroyed_;
}

void SinkLog::Enter(std::string event) {
  MutexLock lock(&mutex_);
  if (without_memory_.erase(event) > 0) throw std::bad_alloc();
  if (calls_in_progress_++ > 0) calls_overlapped_ = true;
  events_.push_back(std::move(event));
  changed_.NotifyAll();
}

void SinkLog::Leave() {
  MutexLock lock(&mutex_);
  --calls_in_progress_;
}

RecordingSink::~RecordingSink() {
  MutexLock lock(&log_->mutex_);
  log_->destroyed_ = true;
  log_->changed_.NotifyAll();
}

std::optional<ChunkHold> RecordingSink::HoldAfterChunk() {
  MutexLock lock(&log_->mutex_);
  return log_->hold_;
}

absl::StatusOr<int64_t> RecordingSink::OnChunk(GeneratedChunk chunk) {
  const int64_t sequence = chunk.sequence;
  log_->Enter(absl::StrCat("chunk ", sequence));
  MutexLock lock(&log_->mutex_);
  while (log_->hold_chunks_) {
    log_->chunk_held_ = true;
    log_->changed_.NotifyAll();
    log_->changed_.Wait(&log_->mutex_);
  }
  log_->chunk_held_ = false;
  --log_->calls_in_progress_;
  const auto failure = log_->failures_.find(sequence);
  if (failure != log_->failures_.end()) return failure->second;
  log_->chunks_.push_back(std::move(chunk));
  log_->changed_.NotifyAll();
  return log_->bytes_per_chunk_;
}

void RecordingSink::OnUpdateApplied(int64_t update_id, int64_t first_chunk) {
  log_->Enter(absl::StrCat("update ", update_id, " from chunk ", first_chunk));
  log_->Leave();
}

void RecordingSink::OnBudgetChanged(int64_t first_chunk, RetentionTenths target, bool by_server, std::string_view) {
  log_->Enter(
      absl::StrCat("budget ", target / 10.0, " from chunk ", first_chunk, by_server ? " by server" : " by client"));
  log_->Leave();
}

void RecordingSink::OnStateChanged(SessionState state, std::string_view) {
  log_->Enter(StateName(state));
  log_->Leave();
}

void RecordingSink::OnEnded(const absl::Status& status, const SessionTotals& totals) {
  std::string event = absl::StrCat("ended ", absl::StatusCodeToString(status.code()));
  if (!totals.reason.empty()) absl::StrAppend(&event, " ", totals.reason);
  {
    MutexLock lock(&log_->mutex_);
    log_->end_status_ = status;
    log_->totals_ = totals;
  }
  log_->Enter(event);
  log_->Leave();
}

}  // namespace videodiffcr
