#include "client/load/viewer.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "proto/proto_duration.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

// Few seeds, so that few uninterrupted runs serve many comparisons.
constexpr uint64_t kSeeds = 4;

bool Happens(double share, std::mt19937_64* random) { return std::generate_canonical<double, 32>(*random) < share; }

template <typename Value>
const Value& OneOf(const std::vector<Value>& values, std::mt19937_64* random) {
  return values[(*random)() % values.size()];
}

// What happens at one chunk, as far as the plan has something for it. False: the session was cancelled.
bool FollowPlan(const ViewerPlan& plan, int64_t sequence, RunningCalls* calls, VideoCall* call) {
  if (plan.killed_after == sequence) {
    call->Cancel();
    return false;
  }
  if (std::binary_search(plan.cuts.begin(), plan.cuts.end(), sequence)) call->Break();
  return calls->Sleep(plan.pause_before_chunk);
}

void TakeEnd(const absl::Status& status, bool killed, ViewerOutcome* outcome) {
  if (killed) {
    outcome->end = ViewerEnd::kKilled;
    return;
  }
  if (status.ok()) {
    outcome->end = ViewerEnd::kFinished;
    return;
  }
  outcome->error = std::string(status.message());
  if (absl::IsResourceExhausted(status) && outcome->chunks.empty()) {
    outcome->end = ViewerEnd::kRefused;
    return;
  }
  outcome->end = ViewerEnd::kFailed;
  if (absl::IsDataLoss(status)) ++outcome->damaged;
}

}  // namespace

ViewerPlan DrawViewer(const LoadOptions& options, const std::vector<std::string>& prompts, std::mt19937_64* random) {
  ViewerPlan plan;
  const int chunks =
      options.least_chunks +
      static_cast<int>((*random)() % static_cast<uint64_t>(options.most_chunks - options.least_chunks + 1));
  plan.config.set_prompt(OneOf(prompts, random));
  plan.config.set_seed(1 + (*random)() % kSeeds);
  plan.config.set_length_chunks(chunks);
  const LoadBudget& budget = OneOf(options.budgets, random);
  plan.config.mutable_retention()->set_target(budget.target);
  plan.config.mutable_retention()->set_floor(budget.floor.value_or(options.floor.value_or(budget.target)));
  if (Happens(options.batch_share, random)) plan.config.set_priority(v1::PRIORITY_BATCH);
  if (options.playout_seconds.has_value()) {
    plan.start_buffer = absl::Seconds(*options.playout_seconds);
    *plan.config.mutable_playout()->mutable_start_buffer() = ToProtoDuration(*plan.start_buffer);
    plan.config.set_run_ahead_limit_chunks(options.run_ahead);
  }
  plan.config.mutable_output()->set_first_fragment_frames(options.first_fragment_frames);
  if (Happens(options.slow_share, random)) plan.pause_before_chunk = options.slow_pause;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    if (Happens(options.cut_share, random)) plan.cuts.push_back(chunk);
  }
  if (Happens(options.kill_share, random)) {
    plan.killed_after = kBeforeAnyChunk + static_cast<int64_t>((*random)() % (static_cast<uint64_t>(chunks) + 1));
  }
  plan.verify = Happens(options.verify_share, random);
  return plan;
}

ChunkDigest DigestOf(const v1::VideoChunk& chunk) {
  ChunkDigest digest;
  digest.hash = std::hash<std::string_view>()(chunk.payload());
  digest.crc32c = chunk.payload_crc32c();  // which the client has checked
  digest.bytes = static_cast<int64_t>(chunk.payload().size());
  digest.nominal = chunk.retention().nominal();
  return digest;
}

absl::Duration OverheadOf(const v1::StageTimings& timings) {
  return absl::Seconds(ToSeconds(timings.total()) - ToSeconds(timings.queue()) - ToSeconds(timings.text()) -
                       ToSeconds(timings.denoise()) - ToSeconds(timings.delivery_queue()) -
                       ToSeconds(timings.decode()) - ToSeconds(timings.encode()));
}

ViewerRun RunViewer(VideoClient* client, const ViewerPlan& plan, absl::Time origin, RunningCalls* calls,
                    std::atomic<int64_t>* chunks) {
  ViewerRun run;
  ViewerOutcome& outcome = run.outcome;
  const absl::Time began = SteadyNow();
  outcome.began = began - origin;
  outcome.target = plan.config.retention().target();
  outcome.floor = plan.config.retention().floor();
  outcome.expected_chunks = plan.config.length_chunks();
  const std::unique_ptr<VideoCall> call = client->StreamVideo(plan.config);
  absl::Time last = began, play_from;
  bool killed = !calls->Add(call.get());
  if (killed) call->Cancel();
  while (const std::optional<v1::StreamVideoResponse> response = call->Next()) {
    const absl::Time now = SteadyNow();
    if (plan.observe) plan.observe(*response);
    if (response->has_started() && plan.killed_after == kBeforeAnyChunk) {
      call->Cancel();
      killed = true;
    }
    if (response->has_first_fragment()) outcome.first_frames = now - began;
    if (!response->has_chunk() || killed) continue;
    const v1::VideoChunk& chunk = response->chunk();
    ChunkSample sample;
    sample.at = now - origin;
    sample.since_last = now - last;
    sample.first = outcome.chunks.empty();
    sample.nominal = chunk.retention().nominal();
    sample.overhead = OverheadOf(chunk.timings());
    if (plan.start_buffer.has_value()) {
      if (sample.first) play_from = now + *plan.start_buffer;
      sample.has_deadline = !sample.first;
      sample.slack = play_from + absl::Seconds(ToSeconds(chunk.presentation_start())) - now;
    }
    if (sample.first && outcome.first_frames == absl::ZeroDuration()) outcome.first_frames = sample.since_last;
    last = now;
    outcome.chunks.push_back(sample);
    if (plan.verify) run.digests.push_back(DigestOf(chunk));
    chunks->fetch_add(1, std::memory_order_relaxed);
    killed = !FollowPlan(plan, chunk.sequence(), calls, call.get());
  }
  outcome.lasted = SteadyNow() - began;
  outcome.resumes = call->resumes();
  calls->Remove(call.get());
  const absl::Status end = call->Finish();
  TakeEnd(end, killed || (!end.ok() && calls->cancelled()), &outcome);
  return run;
}

}  // namespace videodiffcr
