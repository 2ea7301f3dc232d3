#include "training/evaluation/clip_generator.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/drive/clip_run.h"

namespace videodiffcr::training {
namespace {

// Requests of one group, side by side.
class Group {
 public:
  Group(VideoModel& model, const std::vector<ClipRequest>& requests, size_t begin, size_t end)
      : model_(model), requests_(requests), begin_(begin), end_(end) {}

  absl::Status Run(std::vector<std::vector<FrameChunk>>& clips) {
    int64_t chunks = 0;
    for (size_t i = begin_; i < end_; ++i) {
      absl::StatusOr<std::unique_ptr<ClipRun>> run =
          ClipRun::Begin(model_, static_cast<SessionId>(i) + 1, requests_[i].seed);
      if (!run.ok()) return run.status();
      runs_.push_back(*std::move(run));
      chunks = std::max(chunks, requests_[i].chunks);
    }
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      if (absl::Status status = RunChunk(chunk, clips); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status RunChunk(int64_t chunk, std::vector<std::vector<FrameChunk>>& clips) {
    std::vector<size_t> owners;  // the requests that have this chunk
    std::vector<ClipRun*> runs;
    for (size_t i = begin_; i < end_; ++i) {
      const ClipRequest& request = requests_[i];
      if (chunk >= request.chunks) continue;
      const auto prompt = request.prompts.find(chunk);
      owners.push_back(i);
      runs.push_back(runs_[i - begin_].get());
      runs.back()->StartChunk(
          {.chunk = chunk,
           .budget = request.budget,
           .prompt = prompt == request.prompts.end() ? nullptr : std::make_shared<const std::string>(prompt->second),
           .scene_start = chunk == 0});
    }
    return RunChunks(model_, runs, [&](std::vector<std::unique_ptr<LatentChunk>> latents) -> absl::Status {
      for (size_t i = 0; i < latents.size(); ++i) {
        absl::StatusOr<FrameChunk> frames = model_.Decode(*latents[i]);
        if (!frames.ok()) return frames.status();
        if (chunk >= requests_[owners[i]].first_kept_chunk) clips[owners[i]].push_back(*std::move(frames));
      }
      return absl::OkStatus();
    });
  }

  VideoModel& model_;
  const std::vector<ClipRequest>& requests_;
  const size_t begin_, end_;
  std::vector<std::unique_ptr<ClipRun>> runs_;  // of begin_ to end_
};

}  // namespace

absl::StatusOr<std::vector<std::vector<FrameChunk>>> GenerateClips(VideoModel& model,
                                                                   const std::vector<ClipRequest>& requests) {
  for (size_t i = 0; i < requests.size(); ++i) {
    if (requests[i].prompts.count(0) == 0) {
      return absl::InvalidArgumentError(absl::StrCat("clip ", i, " has no prompt for chunk 0"));
    }
  }
  const size_t side_by_side = static_cast<size_t>(std::max(1, model.info().max_sessions_per_plan));
  std::vector<std::vector<FrameChunk>> clips(requests.size());
  for (size_t begin = 0; begin < requests.size(); begin += side_by_side) {
    Group group(model, requests, begin, std::min(requests.size(), begin + side_by_side));
    if (absl::Status status = group.Run(clips); !status.ok()) return status;
  }
  return clips;
}

}  // namespace videodiffcr::training
