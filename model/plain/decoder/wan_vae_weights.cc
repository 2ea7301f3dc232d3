#include "model/plain/decoder/wan_vae_weights.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

constexpr size_t kLevels = 4;
constexpr int64_t kLatentChannels = 16;  // the normalisation constants are given for these
constexpr int64_t kDecoderBlocks = 3;    // residual blocks per level
constexpr int64_t kEncoderBlocks = 2;
// Which level's resampling also changes the number of frames.
constexpr std::array<bool, kLevels - 1> kTemporalUp = {true, true, false};
constexpr std::array<bool, kLevels - 1> kTemporalDown = {false, true, true};

// The value, made when there is none yet: a table made twice must not lose what is loaded.
template <typename Value>
Value& Made(std::optional<Value>& optional) {
  return optional ? *optional : optional.emplace();
}

void AddResidualBlock(const std::string& name, int64_t in, int64_t out, ResidualBlockWeights* block,
                      std::vector<WeightRow>* rows) {
  rows->push_back({name + ".residual.0.gamma", {in, 1, 1, 1}, &block->norm1});
  AddConv(name + ".residual.2", {out, in, 3, 3, 3}, true, &block->conv1, rows);
  rows->push_back({name + ".residual.3.gamma", {out, 1, 1, 1}, &block->norm2});
  AddConv(name + ".residual.6", {out, out, 3, 3, 3}, true, &block->conv2, rows);
  if (in != out) AddConv(name + ".shortcut", {out, in, 1, 1, 1}, true, &Made(block->shortcut), rows);
}

void AddMiddle(const std::string& name, int64_t dim, MiddleWeights* middle, std::vector<WeightRow>* rows) {
  AddResidualBlock(name + ".0", dim, dim, &middle->first, rows);
  rows->push_back({name + ".1.norm.gamma", {dim, 1, 1}, &middle->attention.norm});
  AddConv(name + ".1.to_qkv", {3 * dim, dim, 1, 1}, true, &middle->attention.to_qkv, rows);
  AddConv(name + ".1.proj", {dim, dim, 1, 1}, true, &middle->attention.proj, rows);
  AddResidualBlock(name + ".2", dim, dim, &middle->second, rows);
}

void AddHead(const std::string& name, int64_t in, int64_t out, VaeHeadWeights* head, std::vector<WeightRow>* rows) {
  rows->push_back({name + ".0.gamma", {in, 1, 1, 1}, &head->norm});
  AddConv(name + ".2", {out, in, 3, 3, 3}, true, &head->conv, rows);
}

// `place`: of the level's first module in the reference's list; moved on.
void AddBlocks(const std::string& list, int64_t blocks, int64_t in, int64_t out, int64_t* place, VaeLevelWeights* level,
               std::vector<WeightRow>* rows) {
  level->blocks.resize(blocks);
  for (int64_t i = 0; i < blocks; ++i) {
    AddResidualBlock(absl::StrCat(list, (*place)++), i == 0 ? in : out, out, &level->blocks[i], rows);
  }
}

}  // namespace

absl::Status CheckWanVaeConfig(const DecoderConfig& config) {
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  if (config.dim_mult.size() != kLevels) {
    return absl::InvalidArgumentError(absl::StrCat("decoder.dim_mult: ", config.dim_mult.size(),
                                                   " numbers; Wan's autoencoder has ", kLevels, " levels"));
  }
  if (config.z_dim != kLatentChannels) {
    return absl::InvalidArgumentError(
        absl::StrCat("decoder.z_dim: ", config.z_dim, "; Wan's autoencoder has ", kLatentChannels, " latent channels"));
  }
  for (size_t i = 0; i < kLevels; ++i) {
    // Upsampling halves the channels of every level but the first of the encoder.
    if (i > 0 && config.base_dim * config.dim_mult[i] % 2 != 0) {
      return absl::InvalidArgumentError(absl::StrCat("decoder.dim_mult[", i, "]: ", config.dim_mult[i],
                                                     " times base_dim ", config.base_dim, " must be even"));
    }
  }
  return absl::OkStatus();
}

std::vector<WeightRow> WanVaeDecoderTable(const DecoderConfig& config, WanVaeDecoderWeights* weights) {
  std::vector<WeightRow> rows;
  AddConv("conv2", {config.z_dim, config.z_dim, 1, 1, 1}, true, &weights->conv2, &rows);
  int64_t dim = config.base_dim * config.dim_mult.back();
  AddConv("decoder.conv1", {dim, config.z_dim, 3, 3, 3}, true, &weights->conv1, &rows);
  AddMiddle("decoder.middle", dim, &weights->middle, &rows);
  weights->levels.resize(kLevels);
  int64_t place = 0;
  for (size_t i = 0; i < kLevels; ++i) {
    VaeLevelWeights& level = weights->levels[i];
    const int64_t out = config.base_dim * config.dim_mult[kLevels - 1 - i];
    AddBlocks("decoder.upsamples.", kDecoderBlocks, dim, out, &place, &level, &rows);
    dim = out;
    if (i + 1 == kLevels) break;
    ResampleWeights& up = Made(level.resample);
    const std::string name = absl::StrCat("decoder.upsamples.", place++);
    if (kTemporalUp[i]) AddConv(name + ".time_conv", {2 * dim, dim, 3, 1, 1}, true, &Made(up.temporal), &rows);
    AddConv(name + ".resample.1", {dim / 2, dim, 3, 3}, true, &up.spatial, &rows);
    dim /= 2;
  }
  AddHead("decoder.head", dim, 3, &weights->head, &rows);
  return rows;
}

std::vector<WeightRow> WanVaeEncoderTable(const DecoderConfig& config, WanVaeEncoderWeights* weights) {
  std::vector<WeightRow> rows;
  int64_t dim = config.base_dim;
  AddConv("encoder.conv1", {dim, 3, 3, 3, 3}, true, &weights->conv1, &rows);
  weights->levels.resize(kLevels);
  int64_t place = 0;
  for (size_t i = 0; i < kLevels; ++i) {
    VaeLevelWeights& level = weights->levels[i];
    const int64_t out = config.base_dim * config.dim_mult[i];
    AddBlocks("encoder.downsamples.", kEncoderBlocks, dim, out, &place, &level, &rows);
    dim = out;
    if (i + 1 == kLevels) break;
    ResampleWeights& down = Made(level.resample);
    const std::string name = absl::StrCat("encoder.downsamples.", place++);
    AddConv(name + ".resample.1", {dim, dim, 3, 3}, true, &down.spatial, &rows);
    if (kTemporalDown[i]) AddConv(name + ".time_conv", {dim, dim, 3, 1, 1}, true, &Made(down.temporal), &rows);
  }
  AddMiddle("encoder.middle", dim, &weights->middle, &rows);
  AddHead("encoder.head", dim, 2 * config.z_dim, &weights->head, &rows);
  AddConv("conv1", {2 * config.z_dim, 2 * config.z_dim, 1, 1, 1}, true, &weights->conv_out, &rows);
  return rows;
}

absl::StatusOr<WanVaeDecoderWeights> LoadWanVaeDecoder(const SafetensorsReader& reader, const DecoderConfig& config,
                                                       const WeightOptions& options) {
  if (absl::Status status = CheckWanVaeConfig(config); !status.ok()) return status;
  WanVaeEncoderWeights encoder;
  WeightOptions without_encoder = options;
  for (const WeightRow& row : WanVaeEncoderTable(config, &encoder)) without_encoder.other_owners.push_back(row.name);
  WanVaeDecoderWeights weights;
  const std::vector<WeightRow> rows = WanVaeDecoderTable(config, &weights);
  if (absl::Status status = LoadWeightTable(reader, rows, without_encoder); !status.ok()) return status;
  return weights;
}

}  // namespace videodiffcr
