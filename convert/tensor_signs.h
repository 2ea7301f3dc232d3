// What a file of weights is that does not hold the tensors it should, told from the names of those that it holds.
#ifndef VIDEODIFFCR_CONVERT_TENSOR_SIGNS_H_
#define VIDEODIFFCR_CONVERT_TENSOR_SIGNS_H_

#include <string>

#include "convert/weight_file.h"

namespace videodiffcr {

// "the Wan VAE", "a LoRA", ...: what a file holds by names that only it has; empty when they are none that we know.
std::string NetworkOf(const SourceTensors& tensors);

// "; it is quantized by ...", "; it carries a LoRA ...", with what to do; empty when there is neither.
std::string StrangersAmong(const SourceTensors& tensors);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_TENSOR_SIGNS_H_
