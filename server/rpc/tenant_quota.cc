#include "server/rpc/tenant_quota.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/error_details.h"

namespace videodiffcr {
namespace {

constexpr char kChunksUsedUp[] = "the tenant's chunks_per_minute are used up";

absl::Status Refused(const Tenant& tenant, const QuotaRefusal& refusal, AccessMetrics* metrics) {
  metrics->CountRefusal(refusal.limit);
  absl::Status status = absl::ResourceExhaustedError(
      absl::StrCat("tenant ", tenant.name(), " has used up its ", refusal.limit, ": ", refusal.description));
  status = WithErrorInfo(std::move(status), "TENANT_QUOTA_EXCEEDED", {{"limit", refusal.limit}});
  if (refusal.retry_after > absl::ZeroDuration()) status = WithRetryInfo(std::move(status), refusal.retry_after);
  return WithQuotaFailure(std::move(status), absl::StrCat("tenant:", tenant.name()),
                          absl::StrCat(refusal.limit, ": ", refusal.description));
}

}  // namespace

absl::StatusOr<TenantPlace> EnterTenant(const std::shared_ptr<Tenant>& tenant, absl::Time now, AccessMetrics* metrics) {
  if (const std::optional<QuotaRefusal> refusal = tenant->LookForChunk(now); refusal.has_value()) {
    return Refused(*tenant, *refusal, metrics);
  }
  if (const std::optional<QuotaRefusal> refusal = tenant->EnterSession(); refusal.has_value()) {
    return Refused(*tenant, *refusal, metrics);
  }
  return TenantPlace(tenant);
}

RetentionTenths FloorFor(const Tenant& tenant, const SessionRequest& request) {
  const std::optional<double> floor = tenant.floor();
  if (!floor.has_value()) return request.floor;
  constexpr double kRounding = 1e-6;  // 0.7 is a little more or less than seven tenths
  const auto tenths = static_cast<RetentionTenths>(std::ceil(*floor * 10 - kRounding));
  return std::max(request.floor, std::min(request.target, tenths));
}

absl::Status TenantQueue::Enter() {
  MutexLock lock(&mutex_);
  if (left_ || waits_) return absl::OkStatus();
  const std::optional<QuotaRefusal> refusal = tenant_->EnterQueue();
  if (refusal.has_value()) return Refused(*tenant_, *refusal, metrics_);
  waits_ = true;
  return absl::OkStatus();
}

void TenantQueue::Leave() {
  MutexLock lock(&mutex_);
  left_ = true;
  if (std::exchange(waits_, false)) tenant_->LeaveQueue();
}

absl::StatusOr<int64_t> TenantSink::OnChunk(GeneratedChunk chunk) {
  queue_->Leave();
  const absl::Time now = clock_->Now();
  const absl::Duration wait = tenant_->TakeChunk(now);
  if (wait == absl::InfiniteDuration()) {
    return Refused(*tenant_, QuotaRefusal{"chunks_per_minute", "none at all", absl::ZeroDuration()}, metrics_);
  }
  hold_.reset();
  if (wait > absl::ZeroDuration()) hold_ = {now + wait, kChunksUsedUp};
  return sink_->OnChunk(std::move(chunk));
}

void TenantSink::OnStateChanged(SessionState state, std::string_view reason) {
  if (state != SessionState::kWaiting) queue_->Leave();
  sink_->OnStateChanged(state, reason);
}

void TenantSink::OnEnded(const absl::Status& status, const SessionTotals& totals) {
  queue_->Leave();
  sink_->OnEnded(status, totals);
}

}  // namespace videodiffcr
