// Writes a safetensors file so that an interrupted write never leaves a file that loads: new name, sync, rename.
#ifndef VIDEODIFFCR_MODEL_WEIGHTS_SAFETENSORS_WRITER_H_
#define VIDEODIFFCR_MODEL_WEIGHTS_SAFETENSORS_WRITER_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr {

// `tensors` point to memory that stays valid during the call. Data follows the order of the names. Errors name the path
// and the system's reason (disk full, no such folder).
absl::Status WriteSafetensors(const std::string& path, const std::map<std::string, TensorEntry>& tensors,
                              const std::map<std::string, std::string>& metadata);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_WEIGHTS_SAFETENSORS_WRITER_H_
