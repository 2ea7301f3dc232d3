// A model folder read into memory: what every serving path starts from, whatever it runs on.
#ifndef VIDEODIFFCR_MODEL_FOLDER_MODEL_FOLDER_H_
#define VIDEODIFFCR_MODEL_FOLDER_MODEL_FOLDER_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "model/api/model_info.h"
#include "model/config/model_config.h"
#include "model/decoder/video_decoder.h"
#include "model/text/text_encoder.h"
#include "model/text/tokenizer.h"
#include "model/transformer/transformer_weights.h"

namespace videodiffcr {

// Where the parts go and in what type they compute.
struct ModelPlacement {
  at::Device device = at::kCPU;
  at::ScalarType transformer_type = at::kFloat;
  at::ScalarType text_type = at::kFloat;
  at::ScalarType decoder_type = at::kFloat;
};

// Const after loading and shared by all sessions.
struct ModelFolder {
  ModelConfig config;
  Tokenizer tokenizer;
  TextEncoderWeights text_encoder;
  std::unique_ptr<const VideoDecoder> decoder;
  TransformerWeights transformer;
};

// Loads and checks the whole folder. Errors name the file and what is wrong with it.
absl::StatusOr<ModelFolder> LoadModelFolder(const std::string& folder, const ModelPlacement& placement);

// What the folder alone says about the model; memory of sessions and sessions per plan are the serving path's to fill
// in.
ModelInfo DescribeModel(const ModelFolder& model, const std::string& device);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_FOLDER_MODEL_FOLDER_H_
