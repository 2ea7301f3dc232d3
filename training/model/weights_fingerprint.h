// What tells the weights of one training from those of another without reading gigabytes.
#ifndef VIDEODIFFCR_TRAINING_MODEL_WEIGHTS_FINGERPRINT_H_
#define VIDEODIFFCR_TRAINING_MODEL_WEIGHTS_FINGERPRINT_H_

#include <string>

#include "absl/status/statusor.h"
#include "model/weights/safetensors_reader.h"

namespace videodiffcr::training {

// Names, sizes and the checksums of both ends of every tensor of a file, as text.
std::string FingerprintText(const SafetensorsReader& file);

// Of the transformer of a model folder: 8 hexadecimal digits. Errors name the file.
absl::StatusOr<std::string> TransformerFingerprint(const std::string& folder);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_MODEL_WEIGHTS_FINGERPRINT_H_
