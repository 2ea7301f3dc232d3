// A session's dealings with its tenant's limits (server/access/tenant.h).
#ifndef VIDEODIFFCR_SERVER_RPC_TENANT_QUOTA_H_
#define VIDEODIFFCR_SERVER_RPC_TENANT_QUOTA_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scheduler/session_types.h"
#include "server/access/access_metrics.h"
#include "server/access/tenant.h"
#include "threading/clock.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Takes a place for one more session. ResourceExhausted (TENANT_QUOTA_EXCEEDED, with QuotaFailure) when the tenant has
// used up its sessions or its chunks of this minute.
absl::StatusOr<TenantPlace> EnterTenant(const std::shared_ptr<Tenant>& tenant, absl::Time now, AccessMetrics* metrics);

// The floor that both the client and its tenant want: never below the tenant's, nor above what is asked for.
RetentionTenths FloorFor(const Tenant& tenant, const SessionRequest& request);

// Whether a session waits for the server's memory, counted with its tenant. Thread-safe: whoever submits the session
// and the session's own events may come in any order.
class TenantQueue {
 public:
  // All outlive this but `tenant`, which is shared.
  TenantQueue(std::shared_ptr<Tenant> tenant, AccessMetrics* metrics) : tenant_(std::move(tenant)), metrics_(metrics) {}
  ~TenantQueue() { Leave(); }

  // It may have to wait. ResourceExhausted as above when the tenant has too many that do.
  absl::Status Enter();
  // It does not wait, or not any more.
  void Leave();

 private:
  const std::shared_ptr<Tenant> tenant_;
  AccessMetrics* const metrics_;
  Mutex mutex_;
  bool waits_ ABSL_GUARDED_BY(mutex_) = false;
  bool left_ ABSL_GUARDED_BY(mutex_) = false;
};

// Stands before a session's sink and counts its chunks: when the tenant's are used up the session waits for the next
// one, and ends as above when there never will be one.
class TenantSink final : public SessionSink {
 public:
  // `clock` and `metrics` outlive the sink.
  TenantSink(std::unique_ptr<SessionSink> sink, std::shared_ptr<Tenant> tenant, std::shared_ptr<TenantQueue> queue,
             const Clock* clock, AccessMetrics* metrics)
      : sink_(std::move(sink)),
        tenant_(std::move(tenant)),
        queue_(std::move(queue)),
        clock_(clock),
        metrics_(metrics) {}

  absl::StatusOr<int64_t> OnChunk(GeneratedChunk chunk) override;
  std::optional<ChunkHold> HoldAfterChunk() override { return hold_; }
  void OnUpdateApplied(int64_t update_id, int64_t first_chunk) override {
    sink_->OnUpdateApplied(update_id, first_chunk);
  }
  void OnBudgetChanged(int64_t first_chunk, RetentionTenths target, bool by_server, std::string_view reason) override {
    sink_->OnBudgetChanged(first_chunk, target, by_server, reason);
  }
  void OnStateChanged(SessionState state, std::string_view reason) override;
  void OnEnded(const absl::Status& status, const SessionTotals& totals) override;

 private:
  const std::unique_ptr<SessionSink> sink_;
  const std::shared_ptr<Tenant> tenant_;
  const std::shared_ptr<TenantQueue> queue_;
  const Clock* const clock_;
  AccessMetrics* const metrics_;
  std::optional<ChunkHold> hold_;  // what the latest chunk has made of it
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_TENANT_QUOTA_H_
