#include "training/students/d2it_student.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sort.h>

#include <cmath>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "training/model/network_copy.h"
#include "training/students/pruned_network.h"
#include "training/students/token_pass.h"

namespace videodiffcr::training {
namespace {

// The regions of a chunk, frame slowest, then region row, then region column.
struct RegionGrid {
  at::Tensor tokens;        // int64 [R, 4]: the tokens of each
  TokenPlaces centres;      // [1, R]
  at::Tensor checkerboard;  // [1, R]: coarse first where it is least; every other one first, frame after frame
};

RegionGrid MakeRegionGrid(const TransformerConfig& config, at::Device device) {
  const int64_t frames = config.chunk_frames, rows = config.patch_rows() / 2, columns = config.patch_columns() / 2;
  const auto by_region = [&](const at::Tensor& of_tokens) {  // [1, N] -> [R, 4]
    return of_tokens.view({frames, rows, 2, columns, 2}).permute({0, 1, 3, 2, 4}).reshape({-1, 4});
  };
  const at::Tensor token =
      at::arange(config.tokens_per_chunk(), at::TensorOptions(at::kLong).device(device)).unsqueeze(0);
  const TokenPlaces places = GridPlaces(config, device);
  const auto centre = [&](const at::Tensor& place) { return by_region(place).mean(1).unsqueeze(0); };
  RegionGrid grid = {by_region(token), {centre(places.frame), centre(places.row), centre(places.column)}, {}};
  const at::Tensor row = (grid.centres.row - 0.5) / 2, column = (grid.centres.column - 0.5) / 2;
  const at::Tensor odd = (grid.centres.frame + row + column).remainder(2);
  const double cells = static_cast<double>(rows * columns), all = static_cast<double>(frames);
  grid.checkerboard = (odd * cells + row * static_cast<double>(columns) + column) * all + grid.centres.frame;
  return grid;
}

class D2itNetwork final : public PrunedNetwork {
 public:
  D2itNetwork(const TrainingModel& model, DiffusionTransformer network, int64_t coarse, at::Tensor detail)
      : PrunedNetwork(model, std::move(network)),
        coarse_(coarse),
        detail_(std::move(detail)),
        regions_(MakeRegionGrid(model.config.transformer, model.device)) {}

 private:
  at::Tensor Predict(const at::Tensor& latents, size_t step, const RolloutState& state, PassKind) override {
    const TokenPass pass(network(), latents, timestep(step), state);
    const at::Tensor order =
        std::get<1>(at::sort(Grain(latents, step), /*stable=*/true, /*dim=*/-1, /*descending=*/false));
    const at::Tensor coarse = order.narrow(1, 0, coarse_);                                         // [B, n] regions
    const at::Tensor fine = order.narrow(1, coarse_, order.size(1) - coarse_);                     // [B, R - n]
    const at::Tensor fine_tokens = TakeTokens(regions_.tokens.unsqueeze(0), fine).flatten(1);      // [B, 4 (R - n)]
    const at::Tensor coarse_tokens = TakeTokens(regions_.tokens.unsqueeze(0), coarse).flatten(1);  // [B, 4 n]

    const at::Tensor x = Patchify(network(), latents);
    const at::Tensor parts = TakeTokens(x, coarse_tokens).unflatten(1, {coarse_, 4});  // [B, n, 4, D]
    const at::Tensor merged = parts.mean(2);
    const RotaryTable of_regions = pass.RotaryOf(regions_.centres);
    const auto join = [&](const at::Tensor& grid, const at::Tensor& of_region) {
      return at::cat({TakeTokens(grid, fine_tokens), TakeTokens(of_region, coarse)}, 1);
    };
    const RotaryTable rotary = {join(pass.grid().cos, of_regions.cos), join(pass.grid().sin, of_regions.sin)};
    const at::Tensor y = pass.RunAll(at::cat({TakeTokens(x, fine_tokens), merged}, 1), rotary);

    const at::Tensor own = (parts - merged.unsqueeze(2)) * detail_.to(x.scalar_type());
    const at::Tensor restored = (y.narrow(1, fine_tokens.size(1), coarse_).unsqueeze(2) + own).flatten(1, 2);
    const at::Tensor places = at::cat({fine_tokens, coarse_tokens}, 1);
    const at::Tensor all = at::cat({y.narrow(1, 0, fine_tokens.size(1)), restored}, 1);
    return RunHead(network(), x.scatter(1, places.unsqueeze(-1).expand_as(all), all), pass.time());
  }

  // What coarse regions have least of: [B, R].
  at::Tensor Grain(const at::Tensor& latents, size_t step) const {
    const TransformerConfig& config = network().config;
    const auto variance = [&](const at::Tensor& x0) {
      return RegionVariance(x0.to(at::kFloat), 2 * config.patch_height, 2 * config.patch_width);
    };
    if (step > 0 && estimate().defined()) return variance(estimate());
    if (step == 0 && finished().defined()) {
      const int64_t frames = config.chunk_frames;
      return variance(finished().narrow(1, frames - 1, 1)).repeat({1, frames});
    }
    return regions_.checkerboard.expand({latents.size(0), -1});
  }

  const int64_t coarse_;
  const at::Tensor detail_;
  const RegionGrid regions_;
};

}  // namespace

int64_t CoarseRegions(double target, int64_t tokens) {
  return std::llround((1 - target) * static_cast<double>(tokens) / 3);
}

at::Tensor RegionVariance(const at::Tensor& latents, int64_t height, int64_t width) {
  const at::Tensor regions =  // [B, F, C, rows, height, columns, width]
      latents.unflatten(3, {-1, height}).unflatten(5, {-1, width});
  return regions.var(at::IntArrayRef{4, 6}, /*unbiased=*/false).mean(2).flatten(1);
}

absl::StatusOr<std::unique_ptr<D2itStudent>> D2itStudent::Make(const BaselineOptions& options,
                                                               const std::string& folder, TrainingModel& model) {
  const TransformerConfig& config = model.config.transformer;
  std::unique_ptr<D2itStudent> student(new D2itStudent(options, model));
  if (config.patch_rows() % 2 == 0 && config.patch_columns() % 2 == 0 && 4 * student->coarse_ <= student->tokens()) {
    return student;
  }
  return absl::FailedPreconditionError(absl::StrCat(
      folder, ": d2it at ", options.target, " needs regions of 2 x 2 tokens, at most all of them coarse, and a ",
      "frame has ", config.patch_rows(), " x ", config.patch_columns(), " tokens"));
}

absl::Status D2itStudent::Initialize(uint64_t) {
  detail_ = at::ones({1}, at::TensorOptions(at::kFloat).device(model().device));
  return absl::OkStatus();
}

std::unique_ptr<StudentNetwork> D2itStudent::OpenPruned(const RolloutPurpose& purpose) const {
  return std::make_unique<D2itNetwork>(model(), CastTransformer(model().transformer, purpose.dtype), coarse_, detail_);
}

PassRows D2itStudent::PrunedRows() const {
  return PassRows(layers(), std::vector<int64_t>(steps(), tokens() - 3 * coarse_));
}

}  // namespace videodiffcr::training
