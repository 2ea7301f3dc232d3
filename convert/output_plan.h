// What a converted file will hold, decided before a byte is written.
#ifndef VIDEODIFFCR_CONVERT_OUTPUT_PLAN_H_
#define VIDEODIFFCR_CONVERT_OUTPUT_PLAN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "convert/expected_tensors.h"
#include "convert/safetensors_stream.h"
#include "convert/tensor_conversion.h"
#include "convert/weight_file.h"

namespace videodiffcr {

enum class StoredPrecision {
  kBFloat16,  // matrices as bf16; TensorRole::kPrecise as released, up to fp32
  kFloat32,   // everything as released, up to fp32
};

struct PrecisionOptions {
  StoredPrecision precision = StoredPrecision::kBFloat16;
  std::optional<Fp8Scaling> fp8;  // set: block linears as E4M3 with a companion "<name>.scale"
};

struct OutputTensor {
  enum class Content {
    kValues,     // the source's values in stored.dtype
    kFp8Values,  // E4M3 of value / scale
    kFp8Scales,  // fp32, [1] or [out]
  };
  StreamedTensor stored;
  Content content = Content::kValues;
  std::string source;  // name of the released tensor
};

// Every tensor of `expected`, which CheckTensors() has found in `sources`, in the order in which it will be written. A
// source of bf16 stays bf16 at either precision: widening it would add bytes and no information.
// `is_changed` tells of which tensors other values will be written than those of `sources`, with all of fp32's digits;
// null: of none.
std::vector<OutputTensor> PlanOutput(const std::vector<ExpectedTensor>& expected, const SourceTensors& sources,
                                     const PrecisionOptions& options,
                                     const std::function<bool(const std::string& name)>& is_changed = nullptr);

// Sum of the tensors' bytes.
int64_t PlannedBytes(const std::vector<OutputTensor>& plan);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_OUTPUT_PLAN_H_
