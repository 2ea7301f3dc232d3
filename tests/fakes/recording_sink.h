// A sink that writes down what it is told, in a log that outlives it: the scheduler owns and destroys the sink, the
// test keeps the log. The log is also where the test scripts a slow or failing sink. Any thread.
#ifndef VIDEODIFFCR_TESTS_FAKES_RECORDING_SINK_H_
#define VIDEODIFFCR_TESTS_FAKES_RECORDING_SINK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "scheduler/session_types.h"
#include "threading/mutex.h"

namespace videodiffcr {

class SinkLog {
 public:
  // --- script ---
  void HoldChunks();     // from now on OnChunk() blocks
  void ReleaseChunks();  // lets it go on, now and later
  void FailChunk(int64_t sequence, absl::Status status);
  void LoseMemoryAt(const std::string& event);  // which throws once, and has not come
  void SetBytesPerChunk(int64_t bytes);         // what OnChunk() answers; 1000 at first
  void SetHold(std::optional<ChunkHold> hold);  // what HoldAfterChunk() answers

  // --- waiting: false when it did not happen within half a minute of real time ---
  bool WaitForChunks(int64_t count);  // that many taken
  bool WaitForHeldChunk();            // one is in OnChunk(), held
  bool WaitForEvent(const std::string& event, int times = 1);
  bool WaitForEnd();  // OnEnded() came and the sink was destroyed

  // --- what came ---
  // Every call in order: "chunk 3", "update 7 from chunk 4", "budget 0.7 from chunk 4 by client", "paused",
  // "ended OK LENGTH_REACHED", "ended CANCELLED".
  std::vector<std::string> events() const;
  std::vector<GeneratedChunk> chunks() const;  // those that were taken
  absl::Status end_status() const;
  SessionTotals totals() const;
  bool calls_overlapped() const;  // the scheduler broke its promise
  bool destroyed() const;

 private:
  friend class RecordingSink;
  bool WaitFor(const std::function<bool()>& done) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Enter(std::string event);
  void Leave();

  mutable Mutex mutex_;
  CondVar changed_;
  bool hold_chunks_ ABSL_GUARDED_BY(mutex_) = false;
  bool chunk_held_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t bytes_per_chunk_ ABSL_GUARDED_BY(mutex_) = 1000;
  std::optional<ChunkHold> hold_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, absl::Status> failures_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> without_memory_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> events_ ABSL_GUARDED_BY(mutex_);
  std::vector<GeneratedChunk> chunks_ ABSL_GUARDED_BY(mutex_);
  absl::Status end_status_ ABSL_GUARDED_BY(mutex_);
  SessionTotals totals_ ABSL_GUARDED_BY(mutex_);
  int calls_in_progress_ ABSL_GUARDED_BY(mutex_) = 0;
  bool calls_overlapped_ ABSL_GUARDED_BY(mutex_) = false;
  bool destroyed_ ABSL_GUARDED_BY(mutex_) = false;
};

class RecordingSink final : public SessionSink {
 public:
  // Shared: the test reads the log after the scheduler has destroyed the sink.
  explicit RecordingSink(std::shared_ptr<SinkLog> log) : log_(std::move(log)) {}
  ~RecordingSink() override;

  absl::StatusOr<int64_t> OnChunk(GeneratedChunk chunk) override;
  std::optional<ChunkHold> HoldAfterChunk() override;
  void OnUpdateApplied(int64_t update_id, int64_t first_chunk) override;
  void OnBudgetChanged(int64_t first_chunk, RetentionTenths target, bool by_server, std::string_view reason) override;
  void OnStateChanged(SessionState state, std::string_view reason) override;
  void OnEnded(const absl::Status& status, const SessionTotals& totals) override;

 private:
  const std::shared_ptr<SinkLog> log_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_FAKES_RECORDING_SINK_H_
