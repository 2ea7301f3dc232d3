// Reading the reference tensors of tests/golden.
#ifndef VIDEODIFFCR_TESTS_MODEL_GOLDEN_FILES_H_
#define VIDEODIFFCR_TESTS_MODEL_GOLDEN_FILES_H_

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <limits>
#include <string>

#include "model/weights/safetensors_reader.h"
#include "model/weights/weight_table.h"
#include "tests/system/source_path.h"

namespace videodiffcr {

inline SafetensorsReader OpenFile(const std::string& path) { return SafetensorsReader::Open(SourcePath(path)).value(); }
inline at::Tensor ReadTensor(const SafetensorsReader& reader, const std::string& name) {
  return CopyToTensor(reader.Find(name).value());
}
// Largest absolute difference; infinite when the shapes differ.
inline double WorstError(const at::Tensor& ours, const at::Tensor& golden) {
  if (ours.sizes() != golden.sizes()) return std::numeric_limits<double>::infinity();
  return (ours - golden).abs().max().item<double>();
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_MODEL_GOLDEN_FILES_H_
