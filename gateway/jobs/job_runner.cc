#include "gateway/jobs/job_runner.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gateway/error_response.h"
#include "proto/status_details.h"

namespace videodiffcr {
namespace {

constexpr int64_t kMaxChunks = 1'000'000;

// "160x96" into the config.
absl::Status SetSize(const std::string& size, v1::SessionConfig* config) {
  if (size.empty()) return absl::OkStatus();
  const std::pair<absl::string_view, absl::string_view> sides = absl::StrSplit(size, absl::MaxSplits('x', 1));
  int32_t width = 0;
  int32_t height = 0;
  if (!absl::SimpleAtoi(sides.first, &width) || !absl::SimpleAtoi(sides.second, &height) || width < 1 || height < 1) {
    return GatewayError(absl::StatusCode::kInvalidArgument, error_reason::kUnsupportedValue,
                        absl::StrCat("size is '", size.substr(0, 100), "'; it must be WIDTHxHEIGHT, as in 160x96"),
                        "size");
  }
  config->set_width(width);
  config->set_height(height);
  return absl::OkStatus();
}

}  // namespace

int64_t ChunksFor(double seconds, int first_frames, int frames, int frames_per_second) {
  const double wanted = std::ceil(seconds * frames_per_second);
  if (frames < 1 || wanted <= first_frames) return 1;
  return std::min(kMaxChunks, 1 + static_cast<int64_t>(std::ceil((wanted - first_frames) / frames)));
}

JobRunner::JobRunner(int at_once, size_t max_waiting, ServerPool* pool, JobStore* store)
    : pool_(pool), store_(store), workers_(std::make_unique<WorkerPool>(at_once, max_waiting)) {}

JobRunner::~JobRunner() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    for (const auto& [id, call] : calls_) call->Cancel();
  }
  workers_ = nullptr;
}

absl::Status JobRunner::Start(const Job& job, const std::string& authorization) {
  if (workers_->Run([this, job, authorization] { Make(job, authorization); })) return absl::OkStatus();
  return GatewayError(absl::StatusCode::kResourceExhausted, "TOO_MANY_VIDEOS",
                      "as many videos wait as may (--max-waiting-jobs): try again later");
}

void JobRunner::Cancel(const std::string& id) {
  MutexLock lock(&mutex_);
  const auto found = calls_.find(id);
  if (found != calls_.end()) found->second->Cancel();
}

void JobRunner::Make(const Job& job, const std::string& authorization) {
  if (!store_->SetProgress(job.id, 0, job.request.seed)) return;  // deleted while it waited
  const absl::Status status = Generate(job, authorization);
  {
    MutexLock lock(&mutex_);
    if (stopping_) return;  // on the disk it still is in progress: the restart will find it so
  }
  status.ok() ? store_->Complete(job.id) : store_->Fail(job.id, status);
}

absl::Status JobRunner::Generate(const Job& job, const std::string& authorization) {
  const absl::StatusOr<std::unique_ptr<VideoClient>> client = pool_->Client();
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::GetServerInfoResponse> info = (*client)->GetServerInfo(authorization);
  if (!info.ok()) return info.status();
  const v1::ModelInfo& model = info->model();
  v1::SessionConfig config;
  config.set_prompt(job.request.prompt);
  config.set_seed(job.request.seed);
  config.mutable_retention()->set_target(job.request.budget);
  config.set_priority(v1::PRIORITY_BATCH);
  const int rate = model.frames_per_second_size() > 0 ? model.frames_per_second(0) : 1;
  config.set_length_chunks(
      static_cast<int32_t>(ChunksFor(job.request.seconds, model.first_chunk_frames(), model.chunk_frames(), rate)));
  if (absl::Status status = SetSize(job.request.size, &config); !status.ok()) return status;
  config.set_snapshot_interval_chunks(kSnapshotIntervalChunks);
  const std::unique_ptr<VideoCall> call = (*client)->StreamVideo(config, pool_->MendBreaks(), authorization);
  {
    MutexLock lock(&mutex_);
    calls_[job.id] = call.get();
    if (stopping_) call->Cancel();
  }
  const absl::Status followed = Follow(call.get(), job.id);
  MutexLock lock(&mutex_);
  calls_.erase(job.id);
  return followed;
}

absl::Status JobRunner::Follow(VideoCall* call, const std::string& id) {
  absl::Status status;
  uint64_t seed = 0;
  int64_t length = 1;
  while (status.ok()) {
    const std::optional<v1::StreamVideoResponse> event = call->Next();
    if (!event.has_value()) break;
    if (event->has_started()) {
      seed = event->started().seed();
      length = std::max(1, event->started().length_chunks());
    }
    if (!event->has_chunk()) continue;
    const v1::VideoChunk& chunk = event->chunk();
    status = store_->Write(id, chunk.init_segment() + chunk.payload());
    // 100 is for a video that can be fetched.
    const int percent = static_cast<int>(std::min<int64_t>(99, (chunk.sequence() + 1) * 100 / length));
    (void)store_->SetProgress(id, percent, seed);  // the write has found out already whether it is still wanted
  }
  if (!status.ok()) call->Cancel();
  const absl::Status end = call->Finish();
  return status.ok() ? end : status;
}

}  // namespace videodiffcr
