// Which tokens the routers keep, drawn over the frames that come of it: the paper's Figure 2.
#ifndef VIDEODIFFCR_TRAINING_FIGURES_ROUTER_MAPS_H_
#define VIDEODIFFCR_TRAINING_FIGURES_ROUTER_MAPS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "media/rgb_image.h"
#include "training/model/training_model.h"

namespace videodiffcr::training {

struct RouterMapOptions {
  std::string prompt = "a large red circle moves right fast on a navy checkered background";
  uint64_t seed = 1;
  RetentionTenths budget = 7;
  int64_t chunk = 2;  // of the video: the one that is drawn
};

// `frame` [3, height, width] in [0, 1] with the tokens darkened that are not in `kept`: ascending numbers of a frame of
// rows x columns tokens.
at::Tensor DarkenDropped(const at::Tensor& frame, const std::vector<int64_t>& kept, int64_t rows, int64_t columns);

// A row per block, in it the frames of the chunk for every denoising step: one video frame per latent frame, what the
// block did not process in that step dark. `model` has its routers. InvalidArgument for an unknown budget or prompt.
absl::StatusOr<RgbImage> DrawRouterMaps(const TrainingModel& model, const RouterMapOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_FIGURES_ROUTER_MAPS_H_
