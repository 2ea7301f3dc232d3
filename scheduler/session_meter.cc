#include "scheduler/session_meter.h"

namespace videodiffcr {
namespace {

double Seconds(absl::Duration duration) { return absl::ToDoubleSeconds(duration); }

prometheus::Histogram* QueueTime(SchedulerMetrics::ForPriority& metrics, QueueStage stage) {
  return metrics.queue_time_seconds[static_cast<int>(stage)];
}

}  // namespace

MissCause CauseOfMiss(const ChunkTimings& timings, absl::Duration denoised_to_delivered) {
  const absl::Duration queue = timings.queue + timings.context_queue;
  const absl::Duration compute = timings.text + timings.denoise + timings.context + timings.decode;
  const absl::Duration delivery = denoised_to_delivered - timings.decode;
  if (queue >= compute && queue >= delivery) return MissCause::kQueue;
  return compute >= delivery ? MissCause::kCompute : MissCause::kDelivery;
}

SessionMeter::SessionMeter(SchedulerMetrics* metrics, PriorityClass priority, int64_t kv_cache_bytes,
                           absl::Time submitted)
    : metrics_(metrics),
      of_class_(metrics->of(priority)),
      kv_cache_bytes_(kv_cache_bytes),
      submitted_(submitted),
      state_since_(submitted) {
  of_class_.sessions[static_cast<int>(state_)]->Increment();
}

SessionMeter::~SessionMeter() {
  if (state_ != SessionState::kEnded) of_class_.sessions[static_cast<int>(state_)]->Decrement();
  HoldKvGauge(nullptr);
}

void SessionMeter::StateChanged(SessionState from, SessionState to, bool holds_memory, absl::Time now) {
  if (from == SessionState::kBlocked) {
    of_class_.flow_control_blocked_seconds_total->Increment(Seconds(now - state_since_));
  }
  of_class_.sessions[static_cast<int>(from)]->Decrement();
  if (to != SessionState::kEnded) of_class_.sessions[static_cast<int>(to)]->Increment();
  state_ = to;
  state_since_ = now;
  if (!holds_memory) {
    HoldKvGauge(nullptr);
  } else if (to == SessionState::kPaused || to == SessionState::kBlocked) {
    HoldKvGauge(metrics_->kv_cache_bytes_idle);
  } else {
    HoldKvGauge(metrics_->kv_cache_bytes_running);
  }
}

void SessionMeter::HoldKvGauge(prometheus::Gauge* gauge) {
  if (gauge == kv_gauge_) return;
  if (kv_gauge_ != nullptr) kv_gauge_->Decrement(static_cast<double>(kv_cache_bytes_));
  if (gauge != nullptr) gauge->Increment(static_cast<double>(kv_cache_bytes_));
  kv_gauge_ = gauge;
}

void SessionMeter::Admitted(absl::Time now) {
  QueueTime(of_class_, QueueStage::kAdmission)->Observe(Seconds(now - submitted_));
}

void SessionMeter::Rejected(RejectionReason reason) {
  of_class_.admission_rejections_total[static_cast<int>(reason)]->Increment();
}

void SessionMeter::TargetChanged(RetentionTenths from, RetentionTenths to, BudgetOrigin origin) {
  const auto& counters = to < from ? of_class_.retention_lowered_total : of_class_.retention_raised_total;
  counters[static_cast<int>(origin)]->Increment();
}

void SessionMeter::ChunkMade(const FinishedChunk& chunk) {
  QueueTime(of_class_, QueueStage::kEngine)
      ->Observe(Seconds(chunk.chunk.timings.queue + chunk.chunk.timings.context_queue));
  of_class_.retention_ratio_nominal->Observe(static_cast<double>(chunk.chunk.nominal) / kDenseTenths);
  of_class_.retention_ratio_executed->Observe(chunk.chunk.executed_retention);
}

void SessionMeter::StepRan(const PlannedStep& step, const StepOutcome& outcome, int sessions_in_plan) {
  switch (step.kind) {
    case StepKind::kText:
      metrics_->text_encode_seconds->Observe(Seconds(outcome.elapsed));
      break;
    case StepKind::kDenoise:
      metrics_->denoise_step_seconds[SchedulerMetrics::BatchIndex(sessions_in_plan)]->Observe(Seconds(outcome.elapsed));
      break;
    case StepKind::kContext:
    case StepKind::kRebuild:
      metrics_->context_pass_seconds->Observe(Seconds(outcome.elapsed));
      break;
  }
  metrics_->kv_tokens_evicted_total->Increment(static_cast<double>(outcome.tokens_evicted));
}

void SessionMeter::Decoded(const FinishedChunk& chunk) {
  QueueTime(of_class_, QueueStage::kDelivery)->Observe(Seconds(chunk.chunk.timings.delivery_queue));
  metrics_->decode_seconds->Observe(Seconds(chunk.chunk.timings.decode));
}

void SessionMeter::Delivered(const FinishedChunk& finished, absl::Time now) {
  const GeneratedChunk& chunk = finished.chunk;
  of_class_.chunks_total->Increment();
  of_class_.frames_total->Increment(finished.frame_count);
  of_class_.content_seconds_total->Increment(Seconds(finished.presentation_duration));
  of_class_.chunk_latency_seconds->Observe(Seconds(now - chunk.work_began));
  if (!last_delivery_.has_value()) {
    of_class_.time_to_first_chunk_seconds->Observe(Seconds(now - submitted_));
  } else {
    const absl::Duration interval = now - *last_delivery_;
    of_class_.inter_chunk_interval_seconds->Observe(Seconds(interval));
    if (last_interval_.has_value()) {
      of_class_.chunk_jitter_seconds->Observe(Seconds(absl::AbsDuration(interval - *last_interval_)));
    }
    last_interval_ = interval;
  }
  last_delivery_ = now;
  if (chunk.deadline.has_value()) {
    const absl::Duration slack = *chunk.deadline - now;
    of_class_.chunk_slack_seconds->Observe(Seconds(slack));
    if (slack < absl::ZeroDuration()) {
      const MissCause cause = CauseOfMiss(chunk.timings, now - finished.denoised);
      of_class_.chunk_deadline_misses_total[static_cast<int>(cause)]->Increment();
    }
  }
  totals_.chunks += 1;
  totals_.frames += finished.frame_count;
  nominal_sum_ += static_cast<double>(chunk.nominal) / kDenseTenths;
  executed_sum_ += chunk.executed_retention;
  cache_sum_ += chunk.executed_cache;
  totals_.nominal_retention_mean = nominal_sum_ / static_cast<double>(totals_.chunks);
  totals_.executed_retention_mean = executed_sum_ / static_cast<double>(totals_.chunks);
  totals_.executed_cache_mean = cache_sum_ / static_cast<double>(totals_.chunks);
}

void SessionMeter::Ended(const absl::Status& status, std::string_view reason, std::optional<absl::Time> cancelled_at,
                         absl::Time now) {
  of_class_.sessions_total[static_cast<int>(OutcomeOf(status, reason))]->Increment();
  of_class_.session_duration_seconds->Observe(Seconds(now - submitted_));
  if (!cancelled_at.has_value()) return;
  const CancelOrigin origin =
      status.code() == absl::StatusCode::kCancelled ? CancelOrigin::kClient : CancelOrigin::kServer;
  of_class_.cancel_latency_seconds[static_cast<int>(origin)]->Observe(Seconds(now - *cancelled_at));
}

}  // namespace videodiffcr
