// Stand-ins for VBench's dimensions of video quality that need no outside weights (videodiffcr.md section 8.2). Each is
// in [0, 1], more is better, and the figure of a condition is the mean over clips. Synthetic data: not VBench's
// numbers.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_VIDEO_PROXIES_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_VIDEO_PROXIES_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "training/classifier/attribute_classifier.h"
#include "training/evaluation/clip_record.h"

namespace videodiffcr::training {

// Frames of clips are [clips, frames, 3, height, width] in [0, 1]; results [clips].

// 1 - mean |difference of neighbouring frames|. VBench asks it of still scenes only.
at::Tensor TemporalFlickering(const at::Tensor& frames);
// 1 - mean |odd frame - mean of its two neighbours|.
at::Tensor MotionSmoothness(const at::Tensor& frames);
// 1 where, in a quarter of the frame pairs, the twentieth of the blocks that move most moves more than 0.7 pixels per
// frame on average; else 0. Blocks of 8 pixels, matched at half the resolution, two frames apart.
at::Tensor DynamicDegree(const at::Tensor& frames);
// Variance of the Laplacian over that of renders of the same prompts, at most 1.
at::Tensor ImagingQuality(const at::Tensor& frames, const at::Tensor& renders);
// Mean over frames 1, 2, ... of (cos(f_i, f_i-1) + cos(f_i, f_0)) / 2, no cosine below 0: features [clips, frames, n]
// of unit length. A frame whose `there` [clips, frames] is 0 counts 0.
at::Tensor Consistency(const at::Tensor& features, const at::Tensor& there);

struct ProxyInput {
  at::Tensor frames;        // [clips, 45 or more, 3, height, width]
  at::Tensor renders;       // of the same prompts, as ReadFrames() gives them
  at::Tensor backgrounds;   // as read, [clips, 1, 3, height, width]
  std::vector<bool> still;  // prompted to stand still: asked for flicker
};

// Fills the columns kSubjectConsistency to kImagingQuality of each clip. Goes through few clips at a time, so its
// memory is bounded.
void MeasureProxies(const ClassifierWeights& weights, const ProxyInput& input, std::vector<ClipRecord>& records);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_VIDEO_PROXIES_H_
