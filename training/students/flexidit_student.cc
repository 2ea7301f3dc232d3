#include "training/students/flexidit_student.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "training/model/network_copy.h"
#include "training/students/pruned_network.h"
#include "training/students/token_pass.h"

namespace videodiffcr::training {
namespace {

// The network as tokens of larger patches see it.
DiffusionTransformer WithPatch(const DiffusionTransformer& network, const FlexiPatch& patch) {
  const at::ScalarType dtype = network.weights.head.weight.scalar_type();
  const auto cast = [dtype](const LinearWeights& linear) {
    return LinearWeights{linear.weight.to(dtype), linear.bias.to(dtype)};
  };
  DiffusionTransformer large = network;
  large.config.patch_height *= patch.rows;
  large.config.patch_width *= patch.columns;
  large.weights.patch_embedding = cast(patch.embedding);
  large.weights.head = cast(patch.head);
  return large;
}

class FlexiditNetwork final : public PrunedNetwork {
 public:
  FlexiditNetwork(const TrainingModel& model, DiffusionTransformer network, std::vector<int64_t> patches,
                  FlexiPatch half, FlexiPatch quarter)
      : PrunedNetwork(model, std::move(network)),
        patches_(std::move(patches)),
        half_(std::move(half)),
        quarter_(std::move(quarter)) {}

 private:
  at::Tensor Predict(const at::Tensor& latents, size_t step, const RolloutState& state, PassKind) override {
    const TokenPass pass(network(), latents, timestep(step), state);
    if (patches_[step] == 1) {
      return RunHead(network(), pass.RunAll(Patchify(network(), latents), pass.grid()), pass.time());
    }
    const FlexiPatch& patch = patches_[step] == 4 ? quarter_ : half_;
    const DiffusionTransformer large = WithPatch(network(), patch);
    TokenPlaces places = GridPlaces(large.config, latents.device());
    const auto middle = [](const at::Tensor& place, int64_t size) {
      return place * static_cast<double>(size) + 0.5 * static_cast<double>(size - 1);
    };
    places.row = middle(places.row, patch.rows);
    places.column = middle(places.column, patch.columns);
    const at::Tensor x = Patchify(large, latents) + patch.mark.to(latents.scalar_type());
    return RunHead(large, pass.RunAll(x, pass.RotaryOf(places)), pass.time());
  }

  const std::vector<int64_t> patches_;
  const FlexiPatch half_, quarter_;
};

void InitializePatch(const TrainingModel& model, FlexiPatch* patch) {
  const c10::NoGradGuard no_gradients;
  const TransformerConfig& config = model.config.transformer;
  const TransformerWeights& weights = model.transformer.weights;
  const double tiles = static_cast<double>(patch->rows * patch->columns);
  patch->embedding = {weights.patch_embedding.weight.repeat({1, 1, 1, patch->rows, patch->columns}) / tiles,
                      weights.patch_embedding.bias.clone()};
  patch->mark = at::zeros_like(weights.patch_embedding.bias);
  const auto tile = [&](const at::Tensor& rows) {  // [height width C, ...], patch row slowest
    std::vector<int64_t> repeats(static_cast<size_t>(rows.dim()) + 2, 1);
    repeats[0] = patch->rows;
    repeats[1] = patch->columns;
    return rows.unflatten(0, {config.patch_height, config.patch_width, config.out_dim}).repeat(repeats).flatten(0, 2);
  };
  patch->head = {tile(weights.head.weight), tile(weights.head.bias)};
}

void AddRows(const std::string& name, const TransformerConfig& config, FlexiPatch* patch,
             std::vector<WeightRow>* rows) {
  const int64_t height = config.patch_height * patch->rows, width = config.patch_width * patch->columns;
  const int64_t out = height * width * config.out_dim;
  rows->push_back(
      {name + ".patch_embedding.weight", {config.dim, config.in_dim, 1, height, width}, &patch->embedding.weight});
  rows->push_back({name + ".patch_embedding.bias", {config.dim}, &patch->embedding.bias});
  rows->push_back({name + ".mark", {config.dim}, &patch->mark});
  rows->push_back({name + ".head.weight", {out, config.dim}, &patch->head.weight});
  rows->push_back({name + ".head.bias", {out}, &patch->head.bias});
}

}  // namespace

std::vector<int64_t> PatchesOfSteps(double target, size_t steps) {
  std::vector<int64_t> best;
  double nearest = 2;
  for (size_t quarters = steps + 1; quarters-- > 0;) {
    for (size_t halves = steps - quarters + 1; halves-- > 0;) {
      const size_t whole = steps - quarters - halves;
      const double share =
          (0.25 * static_cast<double>(quarters) + 0.5 * static_cast<double>(halves) + static_cast<double>(whole)) /
          static_cast<double>(steps);
      if (std::fabs(share - target) >= nearest - 1e-9) continue;
      nearest = std::fabs(share - target);
      best.assign(quarters, 4);
      best.insert(best.end(), halves, 2);
      best.insert(best.end(), whole, 1);
    }
  }
  return best;
}

FlexiditStudent::FlexiditStudent(const BaselineOptions& options, TrainingModel& model)
    : BaselineStudent(options, model), patches_(PatchesOfSteps(options.target, steps())) {
  half_.columns = quarter_.columns = quarter_.rows = 2;
}

absl::StatusOr<std::unique_ptr<FlexiditStudent>> FlexiditStudent::Make(const BaselineOptions& options,
                                                                       const std::string& folder,
                                                                       TrainingModel& model) {
  const TransformerConfig& config = model.config.transformer;
  if (config.patch_rows() % 2 != 0 || config.patch_columns() % 2 != 0) {
    return absl::FailedPreconditionError(absl::StrCat(folder, ": flexidit needs patches that pair up, and a frame has ",
                                                      config.patch_rows(), " x ", config.patch_columns()));
  }
  return std::unique_ptr<FlexiditStudent>(new FlexiditStudent(options, model));
}

std::vector<WeightRow> FlexiditStudent::OwnRows() {
  std::vector<WeightRow> rows;
  AddRows("half", model().config.transformer, &half_, &rows);
  AddRows("quarter", model().config.transformer, &quarter_, &rows);
  return rows;
}

absl::Status FlexiditStudent::Initialize(uint64_t) {
  InitializePatch(model(), &half_);
  InitializePatch(model(), &quarter_);
  return absl::OkStatus();
}

std::unique_ptr<StudentNetwork> FlexiditStudent::OpenPruned(const RolloutPurpose& purpose) const {
  return std::make_unique<FlexiditNetwork>(model(), CastTransformer(model().transformer, purpose.dtype), patches_,
                                           half_, quarter_);
}

PassRows FlexiditStudent::PrunedRows() const {
  PassRows rows(layers());
  for (std::vector<int64_t>& block : rows) {
    for (const int64_t patches : patches_) block.push_back(tokens() / patches);
  }
  return rows;
}

}  // namespace videodiffcr::training
