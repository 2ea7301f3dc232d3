#include "convert/fp8_scales.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "convert/tensor_values.h"
#include "model/weights/shown_name.h"

namespace videodiffcr {
namespace {

constexpr absl::string_view kWeightScales[] = {".scale_weight", ".weight_scale", ".weight.scale"};
// Scales of activations, and ComfyUI's note of how the weight was made.
constexpr absl::string_view kUnused[] = {".scale_input", ".input_scale", ".comfy_quant"};
constexpr absl::string_view kMark = "scaled_fp8";

// The weight that `name` stands beside with one of the endings; end() when there is none.
template <size_t n>
SourceTensors::iterator WeightBeside(SourceTensors& tensors, absl::string_view name,
                                     const absl::string_view (&endings)[n]) {
  for (const absl::string_view ending : endings) {
    absl::string_view base = name;
    if (absl::ConsumeSuffix(&base, ending)) return tensors.find(absl::StrCat(base, ".weight"));
  }
  return tensors.end();
}

absl::Status Join(const SourceTensor& scale, const TensorLoader& load, const std::string& name, SourceTensor* weight) {
  const auto error = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", ShownName(scale.original), ": ", what));
  };
  const int64_t rows = weight->shape.empty() ? 1 : weight->shape.front();
  const int64_t count = scale.elements();
  if (count != 1 && count != rows) {
    return error(absl::StrCat("a scale of shape [", absl::StrJoin(scale.shape, ","), "]; of ",
                              ShownName(weight->original), " it must be one number or one per row (", rows, ")"));
  }
  if (!weight->scales.empty()) return error(absl::StrCat("a second scale of ", ShownName(weight->original)));
  const absl::StatusOr<SourceTensor> loaded = load(name);
  if (!loaded.ok()) return loaded.status();
  std::vector<float> values(count);
  if (absl::Status status = TensorValues(*loaded).Read(0, count, values.data()); !status.ok()) {
    return error(status.message());
  }
  weight->scales = std::move(values);
  return absl::OkStatus();
}

}  // namespace

absl::Status JoinFp8Scales(SourceTensors* tensors, const TensorLoader& load) {
  std::vector<std::string> joined;
  for (const auto& [name, tensor] : *tensors) {
    const auto weight = WeightBeside(*tensors, name, kWeightScales);
    if (weight != tensors->end()) {
      if (absl::Status status = Join(tensor, load, name, &weight->second); !status.ok()) return status;
      joined.push_back(name);
    } else if (name == kMark || WeightBeside(*tensors, name, kUnused) != tensors->end()) {
      joined.push_back(name);
    }
  }
  for (const std::string& name : joined) tensors->erase(name);
  return absl::OkStatus();
}

}  // namespace videodiffcr
