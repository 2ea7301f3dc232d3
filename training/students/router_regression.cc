#include "training/students/router_regression.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include "model/plain/transformer/layers.h"
#include "training/students/dense_observation.h"
#include "training/students/least_squares.h"

namespace videodiffcr::training {
namespace {

// What a router may look at beside its token.
struct View {
  const char* what;
  bool chunk = false, cache = false;
};
constexpr View kViews[] = {
    {"token"}, {"token and chunk", true}, {"token and cache", false, true}, {"token, chunk and cache", true, true}};

// [view][block].
using Fits = std::vector<std::vector<LeastSquares>>;

Fits NoFits(const TrainingModel& model) {
  Fits fits;
  for (const View& view : kViews) {
    const int64_t parts = 1 + (view.chunk ? 1 : 0) + (view.cache ? 1 : 0);
    fits.emplace_back(static_cast<size_t>(model.config.transformer.num_layers),
                      LeastSquares(parts * model.config.transformer.dim, model.device));
  }
  return fits;
}

// Adds the passes of all chunks but the first, which has none before it.
absl::Status Observe(const TrainingModel& model, uint64_t seed, int64_t clips, Fits* fits) {
  const int64_t frames = model.config.transformer.chunk_frames;
  const double eps = model.config.transformer.eps;
  std::vector<at::Tensor> before;  // by block: [B, S, D], the last frame of the chunk before
  const auto by_frame = [frames](const at::Tensor& x) { return x.unflatten(1, {frames, -1}); };  // [B, F, S, D]
  const auto context = [&](const ResidualStream& stream) {
    before.clear();
    for (const at::Tensor& x : stream) before.push_back(LayerNorm(by_frame(x).select(1, frames - 1), eps));
  };
  const auto pass = [&](const ResidualStream& stream) {
    for (size_t block = 0; !before.empty() && block + 1 < stream.size(); ++block) {
      const at::Tensor token = by_frame(LayerNorm(stream[block], eps));
      const at::Tensor target = StandardizedLogNorm(stream[block + 1] - stream[block]);
      for (size_t view = 0; view < fits->size(); ++view) {
        std::vector<at::Tensor> parts;
        parts.push_back(token);
        if (kViews[view].chunk) parts.push_back(token.mean(1, /*keepdim=*/true).expand_as(token));
        if (kViews[view].cache) parts.push_back(before[block].unsqueeze(1).expand_as(token));
        (*fits)[view][block].Add(at::cat(parts, -1), target);
      }
    }
  };
  return ObserveDenseRollouts(model, seed, pass, {clips, context});
}

}  // namespace

absl::StatusOr<std::vector<RouterKnowledge>> MeasureRouterKnowledge(const TrainingModel& model, uint64_t seed,
                                                                    int64_t clips) {
  const c10::NoGradGuard no_gradients;
  Fits fitted = NoFits(model), measured = NoFits(model);
  if (absl::Status status = Observe(model, seed, clips, &fitted); !status.ok()) return status;
  if (absl::Status status = Observe(model, seed + 1, clips, &measured); !status.ok()) return status;
  std::vector<RouterKnowledge> knowledge;
  for (size_t view = 0; view < fitted.size(); ++view) {
    RouterKnowledge& of_view = knowledge.emplace_back();
    of_view.what = kViews[view].what;
    for (size_t block = 0; block < fitted[view].size(); ++block) {
      of_view.explained.push_back(measured[view][block].Explained(fitted[view][block].Solve()));
    }
  }
  return knowledge;
}

}  // namespace videodiffcr::training
