#include "training/evaluation/reconstruction_quality.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/strings/str_format.h"
#include "training/data/clip_tensor.h"

namespace videodiffcr::training {
namespace {

double Decibels(double mean_square_error) { return -10 * std::log10(std::max(mean_square_error, 1e-12)); }

struct MeanAndError {
  double mean = 0, standard_error = 0;
};

MeanAndError Summarize(const std::vector<double>& values) {
  if (values.empty()) return {};
  const double count = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, count < 2 ? 0 : std::sqrt(squares / (count - 1) / count)};
}

}  // namespace

ReconstructionQuality JudgeReconstruction(const PixelShuffleEncoderWeights& encoder,
                                          const PixelShuffleDecoderWeights& decoder,
                                          const ReconstructionOptions& options) {
  const c10::NoGradGuard no_gradients;
  std::vector<double> whole, object;
  for (int64_t index = 0; index < options.clips; ++index) {
    RandomStream random(options.seed, DrawPurpose::kEvaluation, static_cast<uint64_t>(index));
    const SceneRenderer renderer(SampleScene({}, random));
    const int64_t first_frame = random.Below(60);
    const at::Tensor clip = RenderClip(renderer, first_frame, options.frames);
    std::vector<at::Tensor> memories;
    const at::Tensor decoded =
        DecodePixelShuffleTaehv(decoder, EncodePixelShuffleTaehv(encoder, clip.unsqueeze(0)), &memories);
    const at::Tensor error = (decoded[0].narrow(0, 3, options.frames).clamp(0, 1) - clip).square();
    const at::Tensor mask = ObjectMask(clip, RenderBackgrounds(renderer, first_frame, options.frames));
    whole.push_back(Decibels(error.mean().item<double>()));
    object.push_back(Decibels((error * mask).sum().item<double>() / (3 * mask.sum().item<double>())));
  }
  ReconstructionQuality quality;
  quality.clips = options.clips;
  const MeanAndError frame = Summarize(whole), region = Summarize(object);
  quality.whole_frame = frame.mean;
  quality.whole_frame_standard_error = frame.standard_error;
  quality.object_region = region.mean;
  quality.object_region_standard_error = region.standard_error;
  std::sort(whole.begin(), whole.end());
  quality.whole_frame_fifth_percentile = whole[whole.size() / 20];
  quality.whole_frame_worst = whole.front();
  return quality;
}

std::string FormatReconstruction(const ReconstructionQuality& quality) {
  return absl::StrFormat(
      "autoencoder, %d held-out clips: whole frame %.2f +- %.2f dB (5th percentile %.1f, worst %.1f), object region "
      "%.2f +- %.2f dB\n",
      quality.clips, quality.whole_frame, quality.whole_frame_standard_error, quality.whole_frame_fifth_percentile,
      quality.whole_frame_worst, quality.object_region, quality.object_region_standard_error);
}

}  // namespace videodiffcr::training
