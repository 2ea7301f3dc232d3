#include "server/warm_up.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/media/encoder.h"

namespace videodiffcr {
namespace {

constexpr SessionId kWarmUpSession = -1;  // the scheduler numbers from 1

// Of what a call gets that asks for nothing else. Null for a model whose frames have odd sides: such calls are refused.
absl::StatusOr<std::unique_ptr<ChunkEncoder>> CreateUsualEncoder(const ModelInfo& info) {
  if (info.width % 2 != 0 || info.height % 2 != 0) return nullptr;
  EncoderConfig config;
  config.width = info.width;
  config.height = info.height;
  config.frames_per_second = info.frames_per_second;
  return CreateChunkEncoder(config);
}

// Null `encoder`: decoded only.
absl::Status DecodeAndEncode(VideoModel* model, std::unique_ptr<LatentChunk> latents, ChunkEncoder* encoder) {
  const absl::StatusOr<FrameChunk> frames = model->Decode(*latents);
  if (!frames.ok()) return frames.status();
  return encoder == nullptr ? absl::OkStatus() : encoder->Encode(*frames).status();
}

absl::Status RunSession(VideoModel* model, int chunks, const OnPlan& on_plan) {
  const absl::StatusOr<std::unique_ptr<ClipRun>> run = ClipRun::Begin(*model, kWarmUpSession, /*seed=*/1);
  if (!run.ok()) return run.status();
  const absl::StatusOr<std::unique_ptr<ChunkEncoder>> encoder = CreateUsualEncoder(model->info());
  if (!encoder.ok()) return encoder.status();
  const std::vector<std::string>& prompts = model->info().example_prompts;
  const auto prompt = std::make_shared<const std::string>(prompts.empty() ? "warm up" : prompts.front());
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const bool first = chunk == 0;
    (*run)->StartChunk({.chunk = chunk, .prompt = first ? prompt : nullptr, .scene_start = first});
    const auto take = [&](std::vector<std::unique_ptr<LatentChunk>> latents) {
      return DecodeAndEncode(model, std::move(latents[0]), encoder->get());
    };
    const absl::Status status = RunChunks(*model, {run->get()}, take, on_plan);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WarmUp(VideoModel* model, int chunks, const OnPlan& on_plan) {
  if (chunks == 0) return absl::OkStatus();
  absl::Status status = RunSession(model, chunks, {});
  // Again: what the first session gave back lies elsewhere now, and its pages would be fetched by the first request
  // (3.5 ms of the tiny model's 75 on two processors).
  if (status.ok()) status = RunSession(model, 1, on_plan);
  return status;
}

}  // namespace videodiffcr
