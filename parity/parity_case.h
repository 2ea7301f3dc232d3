// A case file: inputs, perhaps weights, and the outputs that a reference implementation computed from them. What a case
// is and which kinds there are: parity/README.md.
#ifndef VIDEODIFFCR_PARITY_PARITY_CASE_H_
#define VIDEODIFFCR_PARITY_PARITY_CASE_H_

#include <ATen/core/Tensor.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr {

// Which of our implementations runs. kPlain: the one that reads like the paper, whole tensors at once. kServing: the
// one the server runs, ring slots and packed rows, decoders chunk by chunk with carried state.
enum class NetworkPath { kPlain, kServing };
const char* NetworkPathName(NetworkPath path);

// What our network computed, by the name of the file's output ("out.latents"); on the CPU.
using CaseOutputs = std::map<std::string, at::Tensor>;

// Runs the network of one kind of case. InvalidArgument or NotFound name the file and what is wrong with it.
using CaseRunner = absl::StatusOr<CaseOutputs> (*)(const SafetensorsReader& file, at::Device device);

// One function per kind and path, each in a file of its own.
absl::StatusOr<CaseOutputs> RunRolloutPlain(const SafetensorsReader& file, at::Device device);
absl::StatusOr<CaseOutputs> RunRolloutServing(const SafetensorsReader& file, at::Device device);
absl::StatusOr<CaseOutputs> RunRolloutGpu(const SafetensorsReader& file, at::Device device);  // preset cuda only
absl::StatusOr<CaseOutputs> RunWanVaePlain(const SafetensorsReader& file, at::Device device);
absl::StatusOr<CaseOutputs> RunWanVaeServing(const SafetensorsReader& file, at::Device device);
absl::StatusOr<CaseOutputs> RunTaehvPlain(const SafetensorsReader& file, at::Device device);
absl::StatusOr<CaseOutputs> RunTaehvServing(const SafetensorsReader& file, at::Device device);
absl::StatusOr<CaseOutputs> RunUmt5Plain(const SafetensorsReader& file, at::Device device);
absl::StatusOr<CaseOutputs> RunUmt5Serving(const SafetensorsReader& file, at::Device device);

// Runs the file's case. InvalidArgument when its kind has no implementation on this path. Exceptions of LibTorch (an
// impossible size that no check foresaw, memory) end here, as Internal.
absl::StatusOr<CaseOutputs> RunCase(const SafetensorsReader& file, NetworkPath path, at::Device device);

// One output of the file beside ours.
struct OutputComparison {
  std::string name;
  std::vector<int64_t> shape;  // in the file
  double max_abs_error = 0;    // infinite when ours is missing, has another shape or holds a NaN
  double tolerance = 0;        // 0: must be equal
  bool passed = false;
};

// One entry per out.* of the file, in the order of their names. Kept indices must be equal, everything else within
// 1e-4.
std::vector<OutputComparison> CompareOutputs(const SafetensorsReader& file, const CaseOutputs& ours);

// For the kinds' functions: the entry `name` as fp32, checked to have `dimensions` dimensions.
absl::StatusOr<at::Tensor> ReadCaseTensor(const SafetensorsReader& file, const std::string& name, int64_t dimensions);
// The metadata entry, or nothing.
std::optional<std::string> FindCaseSetting(const SafetensorsReader& file, const std::string& key);
// The metadata entry as a number; `fallback` when it is absent.
absl::StatusOr<double> CaseNumber(const SafetensorsReader& file, const std::string& key, double fallback);
absl::StatusOr<int64_t> CaseInteger(const SafetensorsReader& file, const std::string& key, int64_t fallback);
// InvalidArgument with the file's name in front.
absl::Status CaseError(const SafetensorsReader& file, const std::string& message);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_PARITY_PARITY_CASE_H_
