// Writes a safetensors file so that an interrupted write never leaves a file that loads: new name, sync, rename.
#ifndef VIDEODIFFCR_MODEL_WEIGHTS_SAFETENSORS_WRITER_H_
#define VIDEODIFFCR_MODEL_WEIGHTS_SAFETENSORS_WRITER_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr {

// `tensors` point to memory that stays valid during the call. Data follows the order of the names. Errors name the path
// and the system's reason (disk full, no such folder).
absl::Status WriteSafetensors(const std::string& path, const std::map<std::string, TensorEntry>& tensors,
                              const std::map<std::string, std::string>& metadata);

// The data of a tensor that is asked for by name, as many bytes as its entry says; valid until the next is asked for.
using TensorFeed = std::function<absl::StatusOr<const void*>(const std::string& name)>;

// The same for tensors that are not all in memory at once: their entries point to nothing, `feed` is asked for one
// after the other, in the order of the names. When it fails its error is the result, and `path` stays as it was.
absl::Status WriteSafetensors(const std::string& path, const std::map<std::string, TensorEntry>& tensors,
                              const std::map<std::string, std::string>& metadata, const TensorFeed& feed);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_WEIGHTS_SAFETENSORS_WRITER_H_
