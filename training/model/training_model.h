// A model folder as the trainer sees it: every network as plain fp32 tensors, ready to carry gradients.
#ifndef VIDEODIFFCR_TRAINING_MODEL_TRAINING_MODEL_H_
#define VIDEODIFFCR_TRAINING_MODEL_TRAINING_MODEL_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/config/noise_schedule.h"
#include "model/plain/decoder/pixel_shuffle_taehv.h"
#include "model/plain/text/text_encoder.h"
#include "model/plain/text/tokenizer.h"
#include "model/plain/transformer/diffusion_transformer.h"
#include "training/run/stage_options.h"

namespace videodiffcr::training {

struct TrainingModel {
  ModelConfig config;
  Tokenizer tokenizer;
  TextEncoderWeights text_encoder;
  DiffusionTransformer transformer;  // without routers; rotary positions in fp32
  PixelShuffleEncoderWeights encoder;
  PixelShuffleDecoderWeights decoder;
  StepSchedule schedule;
  at::Device device = at::kCPU;
  bool recompute_blocks = false;  // by backward(), in passes that carry gradients (recomputed_block.h)

  // What passes are computed in; weights, gradients' sums and losses are fp32 everywhere. bf16 on a GPU, as the recipe
  // had it; fp32 on a CPU.
  at::ScalarType compute_type() const { return device.is_cpu() ? at::kFloat : at::kBFloat16; }
};

// Errors name the file and what is wrong with it. FailedPrecondition when the model is not of the tiny kind: frames of
// 160 x 96, a pixel-shuffle autoencoder.
absl::StatusOr<TrainingModel> LoadTrainingModel(const std::string& folder, at::Device device);

// The same for the model folder and the device of a stage.
absl::StatusOr<TrainingModel> LoadTrainingModel(const StageOptions& stage);

// Of a stage's model folder of any kind and size what rollouts need whose text is encoded already: text encoder and
// autoencoder stay empty.
absl::StatusOr<TrainingModel> LoadRolloutModel(const StageOptions& stage);

// The transformer of a model folder of any kind, in `dtype`, without routers.
absl::StatusOr<DiffusionTransformer> LoadTransformer(const std::string& folder, at::Device device,
                                                     at::ScalarType dtype);

// Fills the routers of the model's transformer from the folder. FailedPrecondition when its config.json names none.
absl::Status LoadRouters(const std::string& folder, TrainingModel* model);

// FailedPrecondition unless the window of four chunks that training uses is the model's (sink and two chunks before the
// current one), with window-relative rotary positions.
absl::Status CheckWindowRelative(const TransformerConfig& config, const std::string& folder);

// "cpu", or "cuda" when this build and machine have it; InvalidArgument else.
absl::StatusOr<at::Device> ParseDevice(const std::string& name);

// Captions as token ids. Chunks of one segment share a caption: each is there once.
struct CaptionTokens {
  PaddedPrompts prompts;
  at::Tensor rows;  // int64 [captions]: which of the prompts
};
absl::StatusOr<CaptionTokens> TokenizeCaptions(const TrainingModel& model, const std::vector<std::string>& captions);

// [captions, text_len, text_dim] on the device of `weights`, a text encoder of the model's sizes; carries gradients
// when they do. Does not wait for the device.
at::Tensor EncodeCaptions(const TrainingModel& model, const TextEncoderWeights& weights, const CaptionTokens& tokens);

// Both in one. A caption may be empty.
absl::StatusOr<at::Tensor> EncodeCaptions(const TrainingModel& model, const std::vector<std::string>& captions);
absl::StatusOr<at::Tensor> EncodeCaptions(const TrainingModel& model, const TextEncoderWeights& weights,
                                          const std::vector<std::string>& captions);

// The model's text encoder on the CPU, for a thread that prepares captions; shares its tensors if it is there already.
TextEncoderWeights TextEncoderOnCpu(const TrainingModel& model);

// Cross-attention keys of chunk `chunk` of `clips` clips, out of those of all chunks, chunk by chunk.
TextKeys KeysOfChunk(const TextKeys& all, int64_t clips, int64_t chunk);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_MODEL_TRAINING_MODEL_H_
