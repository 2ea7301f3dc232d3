// A model in memory, as its folder has it: what every serving path starts from, whatever it runs on.
#ifndef VIDEODIFFCR_MODEL_PLAIN_MODEL_PARTS_H_
#define VIDEODIFFCR_MODEL_PLAIN_MODEL_PARTS_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "model/api/model_info.h"
#include "model/config/model_config.h"
#include "model/plain/decoder/video_decoder.h"
#include "model/plain/text/text_encoder.h"
#include "model/plain/text/tokenizer.h"
#include "model/plain/transformer/transformer_weights.h"

namespace videodiffcr {

// Where the parts go and in what type they compute.
struct ModelPlacement {
  at::Device device = at::kCPU;
  at::ScalarType transformer_type = at::kFloat;
  at::ScalarType text_type = at::kFloat;
  at::ScalarType decoder_type = at::kFloat;
};

// Const after loading and shared by all sessions.
struct ModelParts {
  ModelConfig config;
  Tokenizer tokenizer;
  TextEncoderWeights text_encoder;
  std::unique_ptr<const VideoDecoder> decoder;
  TransformerWeights transformer;
};

// What the parts alone say about the model; memory of sessions and sessions per plan are the serving path's to fill in.
ModelInfo DescribeModel(const ModelParts& model, const std::string& device);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_MODEL_PARTS_H_
