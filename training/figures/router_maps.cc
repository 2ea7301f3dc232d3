#include "training/figures/router_maps.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "media/bitmap_font.h"
#include "model/config/retention_table.h"
#include "model/plain/rollout/few_step_sampler.h"

namespace videodiffcr::training {
namespace {

constexpr int kHeader = 64, kLabel = 64, kGap = 4, kStepGap = 14;
constexpr RgbColor kCanvas = {24, 26, 30}, kLetters = {236, 236, 230};
constexpr double kDark = 0.2;  // of its brightness: what a dropped token keeps

struct DrawnChunk {
  SampledChunk sampled;
  at::Tensor frames;  // [video frames, 3, height, width]
};

DrawnChunk SampleVideo(const TrainingModel& model, const RouterMapOptions& options, const RetentionTable& table,
                       const at::Tensor& hidden) {
  const RetentionConfig& retention = model.config.retention;
  SamplerOptions sampler;
  sampler.schedule = model.schedule;
  sampler.routing = {retention.gate, retention.kv_mode, retention.frame_floor, {}, {}};
  sampler.context_mode = retention.context_mode;
  RolloutState state(model.config.transformer);
  state.text = MakeTextKeys(model.transformer, hidden);
  state.cache_rule = CacheRuleAt(retention.cache, table.nominal, model.config.transformer.num_layers, {options.seed});
  std::vector<at::Tensor> memories;
  DrawnChunk drawn;
  for (int64_t chunk = 0; chunk <= options.chunk; ++chunk) {
    const ChunkNoise noise =
        DrawChunkNoise(model.transformer, options.seed, chunk, static_cast<int64_t>(model.schedule.sigmas.size()));
    drawn.sampled = SampleChunk(model.transformer, sampler, table, noise, &state);
    drawn.frames = DecodePixelShuffleTaehv(model.decoder, drawn.sampled.latents, &memories)[0].clamp(0, 1);
  }
  return drawn;
}

// Of the tokens of a whole chunk, those of one frame, numbered inside it. An undefined tensor: all.
std::vector<int64_t> KeptOfFrame(const at::Tensor& kept, int64_t frame, int64_t tokens_per_frame) {
  std::vector<int64_t> of_frame;
  if (!kept.defined()) {
    for (int64_t token = 0; token < tokens_per_frame; ++token) of_frame.push_back(token);
    return of_frame;
  }
  const at::Tensor row = kept[0].cpu().contiguous();
  for (int64_t i = 0; i < row.size(0); ++i) {
    const int64_t token = row.const_data_ptr<int64_t>()[i] - frame * tokens_per_frame;
    if (token >= 0 && token < tokens_per_frame) of_frame.push_back(token);
  }
  return of_frame;
}

void DrawFrame(const at::Tensor& frame, int left, int top, RgbImage* image) {
  const at::Tensor bytes = (frame * 255).round().to(at::kByte).permute({1, 2, 0}).cpu().contiguous();
  const uint8_t* const pixels = bytes.const_data_ptr<uint8_t>();
  const int height = static_cast<int>(bytes.size(0)), width = static_cast<int>(bytes.size(1));
  for (int y = 0; y < height; ++y) {
    std::copy_n(pixels + static_cast<size_t>(y) * width * 3, width * 3, image->at(left, top + y));
  }
}

}  // namespace

at::Tensor DarkenDropped(const at::Tensor& frame, const std::vector<int64_t>& kept, int64_t rows, int64_t columns) {
  const int64_t height = frame.size(1) / rows, width = frame.size(2) / columns;
  at::Tensor darkened = frame * kDark;
  for (const int64_t token : kept) {
    const int64_t top = token / columns * height, left = token % columns * width;
    darkened.narrow(1, top, height).narrow(2, left, width).copy_(frame.narrow(1, top, height).narrow(2, left, width));
  }
  return darkened;
}

absl::StatusOr<RgbImage> DrawRouterMaps(const TrainingModel& model, const RouterMapOptions& options) {
  const c10::NoGradGuard no_gradients;
  const absl::StatusOr<const RetentionTable*> table = FindTable(model.config.retention, options.budget);
  if (!table.ok()) return table.status();
  if (*table == nullptr) return absl::InvalidArgumentError("retention budget 10 tenths: nothing is routed");
  const absl::StatusOr<at::Tensor> hidden = EncodeCaptions(model, {options.prompt});
  if (!hidden.ok()) return hidden.status();
  const DrawnChunk drawn = SampleVideo(model, options, **table, *hidden);
  const TransformerConfig& config = model.config.transformer;
  const int width = static_cast<int>(drawn.frames.size(3)), height = static_cast<int>(drawn.frames.size(2));
  const int frames = static_cast<int>(config.chunk_frames), steps = static_cast<int>(model.schedule.sigmas.size());
  const int blocks = static_cast<int>(config.num_layers);
  const int step_width = frames * (width + kGap) + kStepGap;
  RgbImage image = RgbImage::Filled(kLabel + steps * step_width, kHeader + blocks * (height + kGap), kCanvas);
  DrawText(absl::StrFormat("%s, budget %.1f, chunk %d: %s", model.config.name, options.budget / 10.0, options.chunk,
                           options.prompt),
           8, 8, 2, kLetters, &image);
  const int64_t per_latent = drawn.frames.size(0) / frames;
  for (int step = 0; step < steps; ++step) {
    DrawText(absl::StrCat("step ", step + 1), kLabel + step * step_width, 40, 2, kLetters, &image);
    for (int block = 0; block < blocks; ++block) {
      const int top = kHeader + block * (height + kGap);
      const std::vector<int>& tenths = (*table)->tenths[static_cast<size_t>(block)];
      if (step == 0) DrawText(absl::StrCat("block ", block), 8, top + height / 2, 1, kLetters, &image);
      for (int frame = 0; frame < frames; ++frame) {
        const std::vector<int64_t> kept =
            KeptOfFrame(drawn.sampled.kept[static_cast<size_t>(step)][block], frame, config.tokens_per_frame());
        const at::Tensor shown = DarkenDropped(drawn.frames[frame * per_latent + per_latent / 2], kept,
                                               config.patch_rows(), config.patch_columns());
        const int left = kLabel + step * step_width + frame * (width + kGap);
        DrawFrame(shown, left, top, &image);
        if (frame == 0) {
          DrawText(absl::StrFormat("%.1f", tenths[static_cast<size_t>(step)] / 10.0), left + 4, top + 4, 2, kLetters,
                   &image);
        }
      }
    }
  }
  return image;
}

}  // namespace videodiffcr::training
