// How well the autoencoder gives scenes back that it was not trained on (tiny_recipe.md section 3).
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_RECONSTRUCTION_QUALITY_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_RECONSTRUCTION_QUALITY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "model/plain/decoder/pixel_shuffle_taehv.h"

namespace videodiffcr::training {

// Peak signal-to-noise ratios in dB, of colours in [0, 1], each taken over a clip and then averaged over clips.
struct ReconstructionQuality {
  int64_t clips = 0;
  double whole_frame = 0, whole_frame_standard_error = 0;
  double whole_frame_fifth_percentile = 0, whole_frame_worst = 0;
  double object_region = 0, object_region_standard_error = 0;  // ObjectMask() only
};

struct ReconstructionOptions {
  int64_t clips = 64;
  int64_t frames = 21;  // per clip, 1 + 4k; the start is drawn from the scene's first 60 frames
  uint64_t seed = 1;
};

// Scenes are drawn as training draws them, from streams that no training uses (DrawPurpose::kEvaluation).
ReconstructionQuality JudgeReconstruction(const PixelShuffleEncoderWeights& encoder,
                                          const PixelShuffleDecoderWeights& decoder,
                                          const ReconstructionOptions& options);

std::string FormatReconstruction(const ReconstructionQuality& quality);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_RECONSTRUCTION_QUALITY_H_
