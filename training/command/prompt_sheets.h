// Videos of one prompt beside each other: a contact sheet with a row per budget, the dense one first.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_PROMPT_SHEETS_H_
#define VIDEODIFFCR_TRAINING_COMMAND_PROMPT_SHEETS_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "media/video_frames.h"
#include "model/config/model_config.h"
#include "model/plain/decoder/video_decoder.h"

namespace videodiffcr::training {

class PromptSheets {
 public:
  // The decoder of the model folder on `device`; FOLDER is made. Errors name the file.
  static absl::StatusOr<PromptSheets> Open(const std::string& model_folder, const ModelConfig& config,
                                           at::Device device, const std::string& folder);

  // Adds a row: some frames of the video whose chunks these are, [chunk frames, C, h, w] each.
  absl::Status AddRow(const std::string& caption, const std::vector<at::Tensor>& chunks);

  // FOLDER/prompt_03.png of the rows since the last one; `number` from 0.
  absl::Status Write(size_t number, const std::string& prompt);

 private:
  PromptSheets(std::unique_ptr<const VideoDecoder> decoder, ModelConfig config, std::string folder)
      : decoder_(std::move(decoder)), config_(std::move(config)), folder_(std::move(folder)) {}

  std::unique_ptr<const VideoDecoder> decoder_;
  ModelConfig config_;
  std::string folder_;
  std::vector<std::string> captions_;
  std::vector<VideoFrame> frames_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_PROMPT_SHEETS_H_
