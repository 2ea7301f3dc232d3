#include "scheduler/scheduler_metrics.h"

#include "prometheus/family.h"

namespace videodiffcr {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Labels;
using Buckets = Histogram::BucketBoundaries;

const Buckets& FirstChunkBuckets() {
  static const Buckets& buckets = *new Buckets{.05, .1, .15, .25, .5, .75, 1, 1.5, 2, 3, 5, 7.5, 10, 20, 30};
  return buckets;
}

const Buckets& ChunkBuckets() {
  static const Buckets& buckets =
      *new Buckets{.01, .025, .05, .1, .2, .3, .4, .5, .6, .75, .9, 1, 1.25, 1.5, 2, 3, 5, 10};
  return buckets;
}

const Buckets& StepBuckets() {
  static const Buckets& buckets = *new Buckets{.0005, .001, .0025, .005, .01, .02, .03, .05, .075, .1, .15, .25, .5, 1};
  return buckets;
}

const Buckets& JitterBuckets() {
  static const Buckets& buckets = *new Buckets{.001, .0025, .005, .01, .02, .04, .075, .1, .2, .5, 1, 2};
  return buckets;
}

const Buckets& SlackBuckets() {
  static const Buckets& buckets = *new Buckets{-5, -2, -1, -.5, -.2, -.1, 0, .1, .2, .5, 1, 2, 5, 10};
  return buckets;
}

const Buckets& RatioBuckets() {
  static const Buckets& buckets = *new Buckets{.1, .2, .3, .4, .5, .6, .7, .8, .9, 1};
  return buckets;
}

const Buckets& SessionBuckets() {
  static const Buckets& buckets = *new Buckets{1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600};
  return buckets;
}

const Buckets& BatchBuckets() {
  static const Buckets& buckets = *new Buckets{1, 2, 3, 4, 6, 8, 12, 16, 24, 32};
  return buckets;
}

// Makes families that all carry the prefix and the model's name.
class FamilyMaker {
 public:
  FamilyMaker(prometheus::Registry* registry, const std::string& model)
      : registry_(*registry), labels_{{"model", model}} {}

  Family<Counter>& MakeCounter(const std::string& name, const std::string& help) {
    return BuildCounter().Name("videodiffcr_" + name).Help(help).Labels(labels_).Register(registry_);
  }
  Family<Gauge>& MakeGauge(const std::string& name, const std::string& help) {
    return BuildGauge().Name("videodiffcr_" + name).Help(help).Labels(labels_).Register(registry_);
  }
  Family<Histogram>& MakeHistogram(const std::string& name, const std::string& help) {
    return BuildHistogram().Name("videodiffcr_" + name).Help(help).Labels(labels_).Register(registry_);
  }

 private:
  prometheus::Registry& registry_;
  const Labels labels_;
};

// The families with a label priority, and their instruments for one class.
class PriorityFamilies {
 public:
  explicit PriorityFamilies(FamilyMaker& make)
      : sessions_(make.MakeGauge("sessions", "Sessions by state.")),
        sessions_total_(make.MakeCounter("sessions_total", "Sessions that ended, by outcome.")),
        session_duration_(make.MakeHistogram("session_duration_seconds", "From submission to the end of a session.")),
        time_to_first_chunk_(
            make.MakeHistogram("time_to_first_chunk_seconds", "From submission to the first chunk, encoded.")),
        chunk_latency_(make.MakeHistogram("chunk_latency_seconds",
                                          "From the moment a chunk could be worked on to the chunk, encoded.")),
        interval_(
            make.MakeHistogram("inter_chunk_interval_seconds", "Between two chunks of one session, both encoded.")),
        jitter_(
            make.MakeHistogram("chunk_jitter_seconds",
                               "Change from one interval between chunks of a session to the next, as a magnitude.")),
        slack_(make.MakeHistogram("chunk_slack_seconds",
                                  "Playout deadline minus the time the chunk was encoded; negative when late.")),
        misses_(make.MakeCounter("chunk_deadline_misses_total",
                                 "Chunks encoded after their playout deadline, by where most of their time went.")),
        chunks_(make.MakeCounter("chunks_total", "Chunks delivered.")),
        frames_(make.MakeCounter("frames_total", "Frames delivered.")),
        content_(make.MakeCounter("content_seconds_total", "Playing time delivered.")),
        queue_time_(make.MakeHistogram("queue_time_seconds",
                                       "Waiting: a session for admission, a chunk for the engine or for delivery.")),
        retention_(make.MakeHistogram("retention_ratio", "Share of token rows processed per chunk.")),
        retention_changes_(make.MakeCounter("retention_changes_total", "Changes of a session's retention budget.")),
        blocked_(make.MakeCounter("flow_control_blocked_seconds_total",
                                  "Time in which sessions could not go on for want of credits or of transport.")),
        rejections_(make.MakeCounter("admission_rejections_total", "Sessions refused, by reason.")),
        cancel_latency_(
            make.MakeHistogram("cancel_latency_seconds", "From a cancellation to the KV cache being free.")) {}

  SchedulerMetrics::ForPriority For(const std::string& priority);

 private:
  Family<Gauge>& sessions_;
  Family<Counter>& sessions_total_;
  Family<Histogram>& session_duration_;
  Family<Histogram>& time_to_first_chunk_;
  Family<Histogram>& chunk_latency_;
  Family<Histogram>& interval_;
  Family<Histogram>& jitter_;
  Family<Histogram>& slack_;
  Family<Counter>& misses_;
  Family<Counter>& chunks_;
  Family<Counter>& frames_;
  Family<Counter>& content_;
  Family<Histogram>& queue_time_;
  Family<Histogram>& retention_;
  Family<Counter>& retention_changes_;
  Family<Counter>& blocked_;
  Family<Counter>& rejections_;
  Family<Histogram>& cancel_latency_;
};

// One instrument per label value, in the order of the enum they are indexed by.
template <size_t kCount, typename Metric, typename... Args>
std::array<Metric*, kCount> AddEach(Family<Metric>& family, const std::string& priority, const char* label,
                                    const std::array<const char*, kCount>& values, const Args&... args) {
  std::array<Metric*, kCount> metrics;
  for (size_t i = 0; i < kCount; ++i) metrics[i] = &family.Add({{"priority", priority}, {label, values[i]}}, args...);
  return metrics;
}

SchedulerMetrics::ForPriority PriorityFamilies::For(const std::string& priority) {
  const Labels labels = {{"priority", priority}};
  SchedulerMetrics::ForPriority m;
  m.sessions = AddEach<kLiveSessionStates>(sessions_, priority, "state",
                                           {"waiting", "generating", "paused", "blocked", "finishing"});
  m.sessions_total = AddEach<5>(sessions_total_, priority, "outcome",
                                {"length_reached", "finish_requested", "cancelled", "aborted", "failed"});
  m.session_duration_seconds = &session_duration_.Add(labels, SessionBuckets());
  m.time_to_first_chunk_seconds = &time_to_first_chunk_.Add(labels, FirstChunkBuckets());
  m.chunk_latency_seconds = &chunk_latency_.Add(labels, ChunkBuckets());
  m.inter_chunk_interval_seconds = &interval_.Add(labels, ChunkBuckets());
  m.chunk_jitter_seconds = &jitter_.Add(labels, JitterBuckets());
  m.chunk_slack_seconds = &slack_.Add(labels, SlackBuckets());
  m.chunk_deadline_misses_total = AddEach<3>(misses_, priority, "cause", {"queue", "compute", "delivery"});
  m.chunks_total = &chunks_.Add(labels);
  m.frames_total = &frames_.Add(labels);
  m.content_seconds_total = &content_.Add(labels);
  m.queue_time_seconds =
      AddEach<3>(queue_time_, priority, "stage", {"admission", "engine", "delivery"}, ChunkBuckets());
  m.retention_ratio_nominal = &retention_.Add({{"priority", priority}, {"kind", "nominal"}}, RatioBuckets());
  m.retention_ratio_executed = &retention_.Add({{"priority", priority}, {"kind", "executed"}}, RatioBuckets());
  constexpr std::array<const char*, 3> kOrigins = {"client", "memory", "load"};
  for (size_t origin = 0; origin < kOrigins.size(); ++origin) {
    const std::string reason = kOrigins[origin];
    m.retention_lowered_total[origin] =
        &retention_changes_.Add({{"priority", priority}, {"direction", "down"}, {"reason", reason}});
    m.retention_raised_total[origin] =
        &retention_changes_.Add({{"priority", priority}, {"direction", "up"}, {"reason", reason}});
  }
  m.flow_control_blocked_seconds_total = &blocked_.Add(labels);
  m.admission_rejections_total =
      AddEach<5>(rejections_, priority, "reason", {"memory", "sessions", "allocation", "draining", "slack"});
  m.cancel_latency_seconds = AddEach<2>(cancel_latency_, priority, "origin", {"client", "server"}, StepBuckets());
  return m;
}

}  // namespace

SchedulerMetrics::SchedulerMetrics(prometheus::Registry* registry, const std::string& model_name) {
  FamilyMaker make(registry, model_name);
  PriorityFamilies families(make);
  by_priority = {families.For("standard"), families.For("batch")};

  auto& denoise = make.MakeHistogram("denoise_step_seconds",
                                     "One denoising pass, by the number of sessions that ran in the same plan.");
  const std::array<const char*, kBatchSizes> batches = {"1", "2", "3-4", "5-8", "9+"};
  for (int i = 0; i < kBatchSizes; ++i) denoise_step_seconds[i] = &denoise.Add({{"batch", batches[i]}}, StepBuckets());
  batch_sessions = &make.MakeHistogram("batch_sessions", "Sessions in one plan.").Add({}, BatchBuckets());
  text_encode_seconds = &make.MakeHistogram("text_encode_seconds", "Encoding one prompt.").Add({}, StepBuckets());
  context_pass_seconds =
      &make.MakeHistogram("context_pass_seconds", "One pass that writes a finished chunk into the KV cache.")
           .Add({}, StepBuckets());
  decode_seconds = &make.MakeHistogram("decode_seconds", "Latents of one chunk to frames, once they are there.")
                        .Add({}, StepBuckets());
  auto& kv_bytes = make.MakeGauge("kv_cache_bytes", "KV cache held by sessions.");
  kv_cache_bytes_running = &kv_bytes.Add({{"state", "running"}});
  kv_cache_bytes_idle = &kv_bytes.Add({{"state", "idle"}});
  kv_cache_capacity_bytes =
      &make.MakeGauge("kv_cache_capacity_bytes", "KV cache of as many sessions as the memory budget holds.").Add({});
  degradation_level =
      &make.MakeGauge("degradation_level",
                      "What has given way so that chunks are in time: 0 nothing, 1 budgets, 2 run-ahead "
                      "and late chunks, 3 batch sessions, 4 new sessions.")
           .Add({});
  kv_tokens_evicted_total =
      &make.MakeCounter("kv_tokens_evicted_total", "Keys that left an attention window, counted in one block.").Add({});
}

int SchedulerMetrics::BatchIndex(int sessions) {
  if (sessions <= 2) return sessions <= 1 ? 0 : 1;
  if (sessions <= 4) return 2;
  return sessions <= 8 ? 3 : 4;
}

SessionOutcome OutcomeOf(const absl::Status& status, std::string_view reason) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return reason == "LENGTH_REACHED" ? SessionOutcome::kLengthReached : SessionOutcome::kFinishRequested;
    case absl::StatusCode::kCancelled:
      return SessionOutcome::kCancelled;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kUnavailable:
      return SessionOutcome::kAborted;
    default:
      return SessionOutcome::kFailed;
  }
}

}  // namespace videodiffcr
