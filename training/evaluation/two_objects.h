// Scenes of two objects, judged by colour alone: the classifier reads one object, and nothing here reads shapes.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_TWO_OBJECTS_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_TWO_OBJECTS_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "training/evaluation/clip_source.h"
#include "training/evaluation/quality_report.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {

// A pixel has the object colour that comes nearest to it in hue and saturation, when it is bright at all. An object is
// found when its colour covers at least 30 % of its area in at least five of the nine frames that are read: it may be
// behind the other one for a while. `frames` [9, 3, height, width] of a scene on black; its objects differ in colour.
std::array<bool, 2> FindTwoObjects(const at::Tensor& frames, const SceneSegment& scene);

struct TwoObjectQuality {
  Share both;             // clips where both objects are found
  Share single;           // objects found
  Share both_of_renders;  // the same measure on the renderer's own clips: its ceiling
};

// `clips` prompts of two objects of different shapes and colours on a plain black background, four chunks, dense.
absl::StatusOr<TwoObjectQuality> JudgeTwoObjects(const ClipSource& source, int64_t clips, uint64_t seed);

std::string FormatTwoObjects(const TwoObjectQuality& quality);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_TWO_OBJECTS_H_
