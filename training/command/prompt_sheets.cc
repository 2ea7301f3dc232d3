#include "training/command/prompt_sheets.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/avg_pool2d.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "media/contact_sheet.h"
#include "media/png_file.h"
#include "model/load/decoders.h"
#include "system/guarded.h"

namespace videodiffcr::training {
namespace {

constexpr int kColumns = 6;
constexpr int64_t kMostWidth = 320;  // pixels of a frame on the sheet

// [3, height, width] in [0, 1], made smaller by a whole factor where it is wide.
RgbImage ImageOf(const at::Tensor& frame) {
  const int64_t factor = (frame.size(2) + kMostWidth - 1) / kMostWidth;
  const at::Tensor small = factor == 1 ? frame : at::avg_pool2d(frame.unsqueeze(0), {factor, factor})[0];
  const at::Tensor bytes = (small * 255).round().to(at::kByte).permute({1, 2, 0}).cpu().contiguous();
  const uint8_t* pixels = bytes.const_data_ptr<uint8_t>();
  return {static_cast<int>(bytes.size(1)), static_cast<int>(bytes.size(0)), {pixels, pixels + bytes.numel()}};
}

}  // namespace

absl::StatusOr<PromptSheets> PromptSheets::Open(const std::string& model_folder, const ModelConfig& config,
                                                at::Device device, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::PermissionDeniedError(absl::StrCat("--sheets ", folder, ": ", error.message()));
  VideoDecoderOptions options;
  options.latent_height = config.transformer.latent_height;
  options.latent_width = config.transformer.latent_width;
  options.dtype = device.is_cpu() ? at::kFloat : at::kBFloat16;
  options.device = device;
  return Guarded("loading the decoder", [&]() -> absl::StatusOr<PromptSheets> {
    absl::StatusOr<std::unique_ptr<const VideoDecoder>> decoder =
        LoadVideoDecoder(model_folder, config.decoder, options);
    if (!decoder.ok()) return decoder.status();
    return PromptSheets(*std::move(decoder), config, folder);
  });
}

absl::Status PromptSheets::AddRow(const std::string& caption, const std::vector<at::Tensor>& chunks) {
  captions_.push_back(caption);
  return Guarded("decoding", [&]() -> absl::Status {
    const c10::NoGradGuard no_gradients;
    const auto later = static_cast<int64_t>(chunks.size()) - 1;
    const std::vector<int64_t> wanted =
        SpreadFrames(config_.first_chunk_frames() + later * config_.later_chunk_frames(), kColumns);
    DecoderState state = decoder_->NewState();
    int64_t first = 0;
    for (const at::Tensor& chunk : chunks) {
      const absl::StatusOr<at::Tensor> pixels = decoder_->Decode(chunk, state);
      if (!pixels.ok()) return pixels.status();
      for (const int64_t frame : wanted) {
        if (frame < first || frame >= first + pixels->size(0)) continue;
        frames_.push_back({ImageOf((*pixels)[frame - first]),
                           static_cast<double>(frame) / static_cast<double>(config_.frames_per_second)});
      }
      first += pixels->size(0);
    }
    return absl::OkStatus();
  });
}

absl::Status PromptSheets::Write(size_t number, const std::string& prompt) {
  ContactSheetOptions sheet;
  sheet.columns = static_cast<int>(frames_.size() / captions_.size());  // all rows have as many
  sheet.captions = {absl::StrCat(config_.name, ": ", prompt)};
  for (size_t row = 0; row < captions_.size(); ++row) {
    sheet.captions.push_back(absl::StrCat("row ", row + 1, ": ", captions_[row]));
  }
  const std::string path = absl::StrFormat("%s/prompt_%02d.png", folder_, number + 1);
  if (absl::Status written = WritePng(TileFrames(frames_, sheet), path); !written.ok()) return written;
  std::cerr << path << "\n";
  captions_.clear();
  frames_.clear();
  return absl::OkStatus();
}

}  // namespace videodiffcr::training
