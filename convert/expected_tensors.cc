#include "convert/expected_tensors.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "convert/tensor_signs.h"
#include "convert/tensor_values.h"
#include "model/weights/shown_name.h"

namespace videodiffcr {
namespace {

using Shape = std::vector<int64_t>;

class Table {
 public:
  void Add(std::string name, Shape shape, TensorRole role) {
    rows_.push_back({std::move(name), std::move(shape), role});
  }
  // weight [out, in, kernel...] and, if asked, bias [out].
  void AddWeight(absl::string_view name, Shape shape, TensorRole role, bool bias) {
    const int64_t out = shape.front();
    Add(absl::StrCat(name, ".weight"), std::move(shape), role);
    if (bias) Add(absl::StrCat(name, ".bias"), {out}, TensorRole::kPrecise);
  }
  std::vector<ExpectedTensor> Take() { return std::move(rows_); }

 private:
  std::vector<ExpectedTensor> rows_;
};

void AddTransformerBlock(const TransformerConfig& config, const std::string& block, Table* table) {
  const int64_t dim = config.dim;
  table->Add(block + "modulation", {1, 6, dim}, TensorRole::kPrecise);
  for (const absl::string_view attention : {"self_attn", "cross_attn"}) {
    const std::string prefix = absl::StrCat(block, attention, ".");
    for (const absl::string_view projection : {"q", "k", "v", "o"}) {
      table->AddWeight(absl::StrCat(prefix, projection), {dim, dim}, TensorRole::kBlockLinear, /*bias=*/true);
    }
    table->Add(prefix + "norm_q.weight", {dim}, TensorRole::kPrecise);
    table->Add(prefix + "norm_k.weight", {dim}, TensorRole::kPrecise);
  }
  table->AddWeight(block + "norm3", {dim}, TensorRole::kPrecise, /*bias=*/true);
  table->AddWeight(block + "ffn.0", {config.ffn_dim, dim}, TensorRole::kBlockLinear, /*bias=*/true);
  table->AddWeight(block + "ffn.2", {dim, config.ffn_dim}, TensorRole::kBlockLinear, /*bias=*/true);
}

// A network of convolutions: everything in it is kPrecise.
class ConvolutionTable {
 public:
  void Convolution(absl::string_view name, Shape shape, bool bias = true) {
    table_.AddWeight(name, std::move(shape), TensorRole::kPrecise, bias);
  }
  void Gamma(absl::string_view name, Shape shape) {
    table_.Add(absl::StrCat(name, ".gamma"), std::move(shape), TensorRole::kPrecise);
  }

  // wan_vae.md section 3, ResidualBlock.
  void Residual(const std::string& name, int64_t in, int64_t out) {
    Gamma(name + ".residual.0", {in, 1, 1, 1});
    Convolution(name + ".residual.2", {out, in, 3, 3, 3});
    Gamma(name + ".residual.3", {out, 1, 1, 1});
    Convolution(name + ".residual.6", {out, out, 3, 3, 3});
    if (in != out) Convolution(name + ".shortcut", {out, in, 1, 1, 1});
  }
  void Middle(const std::string& name, int64_t width) {
    Residual(name + ".0", width, width);
    Gamma(name + ".1.norm", {width, 1, 1});
    Convolution(name + ".1.to_qkv", {3 * width, width, 1, 1});
    Convolution(name + ".1.proj", {width, width, 1, 1});
    Residual(name + ".2", width, width);
  }
  // wan_vae.md section 9, MemBlock.
  void Memory(const std::string& name, int64_t width) {
    Convolution(name + ".conv.0", {width, 2 * width, 3, 3});
    Convolution(name + ".conv.2", {width, width, 3, 3});
    Convolution(name + ".conv.4", {width, width, 3, 3});
  }
  std::vector<ExpectedTensor> Take() { return table_.Take(); }

 private:
  Table table_;
};

// Levels whose resampling also halves (encoder) or doubles (decoder) time: the last ones of the encoder, enough for the
// factor.
int64_t TemporalLevels(const DecoderConfig& config) {
  int64_t levels = 0;
  for (int64_t factor = config.temporal_factor; factor > 1; factor /= 2) ++levels;
  return levels;
}

// wan_vae.md section 5.
void AddWanVaeEncoder(const DecoderConfig& config, ConvolutionTable* table) {
  const int64_t levels = static_cast<int64_t>(config.dim_mult.size());
  int64_t width = config.base_dim;
  table->Convolution("encoder.conv1", {width, 3, 3, 3, 3});
  int64_t index = 0;
  const auto name = [&index] { return absl::StrCat("encoder.downsamples.", index++); };
  for (int64_t level = 0; level < levels; ++level) {
    const int64_t out = config.base_dim * config.dim_mult[level];
    table->Residual(name(), width, out);
    table->Residual(name(), out, out);
    width = out;
    if (level == levels - 1) break;
    const std::string down = name();
    table->Convolution(down + ".resample.1", {width, width, 3, 3});
    if (level >= levels - 1 - TemporalLevels(config)) {
      table->Convolution(down + ".time_conv", {width, width, 3, 1, 1});
    }
  }
  table->Middle("encoder.middle", width);
  table->Gamma("encoder.head.0", {width, 1, 1, 1});
  table->Convolution("encoder.head.2", {2 * config.z_dim, width, 3, 3, 3});
}

// wan_vae.md section 4. Each upsampler halves the channels, so the level after it starts at half width.
void AddWanVaeDecoder(const DecoderConfig& config, ConvolutionTable* table) {
  const int64_t levels = static_cast<int64_t>(config.dim_mult.size());
  int64_t width = config.base_dim * config.dim_mult.back();
  table->Convolution("decoder.conv1", {width, config.z_dim, 3, 3, 3});
  table->Middle("decoder.middle", width);
  int64_t index = 0;
  const auto name = [&index] { return absl::StrCat("decoder.upsamples.", index++); };
  for (int64_t level = 0; level < levels; ++level) {
    const int64_t out = config.base_dim * config.dim_mult[levels - 1 - level];
    table->Residual(name(), width, out);
    table->Residual(name(), out, out);
    table->Residual(name(), out, out);
    width = out;
    if (level == levels - 1) break;
    const std::string up = name();
    table->Convolution(up + ".resample.1", {width / 2, width, 3, 3});
    if (level < TemporalLevels(config)) table->Convolution(up + ".time_conv", {2 * width, width, 3, 1, 1});
    width /= 2;
  }
  table->Gamma("decoder.head.0", {width, 1, 1, 1});
  table->Convolution("decoder.head.2", {3, width, 3, 3, 3});
}

std::string ShapeText(const Shape& shape) { return absl::StrCat("[", absl::StrJoin(shape, ","), "]"); }

// The first few of a list of faults, with the number of all.
class Faults {
 public:
  explicit Faults(absl::string_view kind) : kind_(kind) {}
  void Add(std::string fault) {
    if (++count_ <= kShown) shown_.push_back(std::move(fault));
  }
  void AppendTo(std::vector<std::string>* lines) const {
    if (count_ == 0) return;
    lines->push_back(
        absl::StrCat(count_, " ", kind_, " (", absl::StrJoin(shown_, ", "), count_ > kShown ? ", ..." : "", ")"));
  }

 private:
  static constexpr int kShown = 3;
  std::string kind_;
  int count_ = 0;
  std::vector<std::string> shown_;
};

std::string NameInFile(absl::string_view name, const SourceTensor& tensor) {
  return ShownName(tensor.original.empty() ? name : absl::string_view(tensor.original));
}

}  // namespace

std::vector<ExpectedTensor> TransformerTensors(const TransformerConfig& config) {
  const int64_t dim = config.dim;
  const int64_t patch = config.patch_height * config.patch_width;
  Table table;
  table.AddWeight("patch_embedding", {dim, config.in_dim, 1, config.patch_height, config.patch_width},
                  TensorRole::kMatrix, true);
  table.AddWeight("text_embedding.0", {dim, config.text_dim}, TensorRole::kMatrix, true);
  table.AddWeight("text_embedding.2", {dim, dim}, TensorRole::kMatrix, true);
  table.AddWeight("time_embedding.0", {dim, config.freq_dim}, TensorRole::kMatrix, true);
  table.AddWeight("time_embedding.2", {dim, dim}, TensorRole::kMatrix, true);
  table.AddWeight("time_projection.1", {6 * dim, dim}, TensorRole::kMatrix, true);
  for (int64_t i = 0; i < config.num_layers; ++i) {
    AddTransformerBlock(config, absl::StrCat("blocks.", i, "."), &table);
  }
  table.Add("head.modulation", {1, 2, dim}, TensorRole::kPrecise);
  table.AddWeight("head.head", {config.out_dim * patch, dim}, TensorRole::kMatrix, true);
  return table.Take();
}

std::vector<ExpectedTensor> TextEncoderTensors(const TextEncoderConfig& config) {
  Table table;
  table.Add("token_embedding.weight", {config.vocab_size, config.dim}, TensorRole::kMatrix);
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string block = absl::StrCat("blocks.", i, ".");
    table.Add(block + "norm1.weight", {config.dim}, TensorRole::kPrecise);
    table.Add(block + "norm2.weight", {config.dim}, TensorRole::kPrecise);
    for (const absl::string_view projection : {"q", "k", "v"}) {
      table.Add(absl::StrCat(block, "attn.", projection, ".weight"), {config.dim_attn, config.dim},
                TensorRole::kMatrix);
    }
    table.Add(block + "attn.o.weight", {config.dim, config.dim_attn}, TensorRole::kMatrix);
    table.Add(block + "ffn.gate.0.weight", {config.dim_ffn, config.dim}, TensorRole::kMatrix);
    table.Add(block + "ffn.fc1.weight", {config.dim_ffn, config.dim}, TensorRole::kMatrix);
    table.Add(block + "ffn.fc2.weight", {config.dim, config.dim_ffn}, TensorRole::kMatrix);
    table.Add(block + "pos_embedding.embedding.weight", {config.num_buckets, config.num_heads}, TensorRole::kMatrix);
  }
  table.Add("norm.weight", {config.dim}, TensorRole::kPrecise);
  return table.Take();
}

std::vector<ExpectedTensor> WanVaeTensors(const DecoderConfig& config) {
  ConvolutionTable table;
  AddWanVaeEncoder(config, &table);
  table.Convolution("conv1", {2 * config.z_dim, 2 * config.z_dim, 1, 1, 1});
  table.Convolution("conv2", {config.z_dim, config.z_dim, 1, 1, 1});
  AddWanVaeDecoder(config, &table);
  return table.Take();
}

std::vector<ExpectedTensor> RouterTensors(const ModelConfig& config) {
  const int64_t r = config.retention.router_dim, rank = config.retention.bypass_rank, dim = config.transformer.dim;
  const int64_t frames = config.transformer.chunk_frames;
  Table table;
  for (int64_t i = 0; i < config.transformer.num_layers; ++i) {
    const std::string router = absl::StrCat("blocks.", i, ".router.");
    table.AddWeight(router + "down", {r, dim}, TensorRole::kPrecise, /*bias=*/true);
    table.Add(router + "mix", {r, frames, frames}, TensorRole::kPrecise);
    table.Add(router + "score.weight", {1, r}, TensorRole::kPrecise);
    if (rank == 0) continue;
    const std::string bypass = absl::StrCat("blocks.", i, ".bypass.");
    table.Add(bypass + "down.weight", {rank, dim}, TensorRole::kPrecise);
    table.Add(bypass + "up.weight", {dim, rank}, TensorRole::kPrecise);
  }
  return table.Take();
}

absl::StatusOr<TaehvWidths> FindTaehvWidths(const SourceTensors& tensors) {
  TaehvWidths widths;
  const std::pair<absl::string_view, int64_t*> anchors[] = {{"decoder.1.weight", &widths.levels[0]},
                                                            {"decoder.8.weight", &widths.levels[1]},
                                                            {"decoder.14.weight", &widths.levels[2]},
                                                            {"decoder.20.weight", &widths.levels[3]},
                                                            {"encoder.0.weight", &widths.encoder}};
  constexpr int64_t kWidest = 4096;  // keeps the products of the table far from overflow
  for (const auto& [name, width] : anchors) {
    const auto tensor = tensors.find(name);
    if (tensor == tensors.end()) return absl::NotFoundError(absl::StrCat("tensor ", name, " is missing"));
    const Shape& shape = tensor->second.shape;
    if (shape.size() != 4 || shape[0] < 1 || shape[0] > kWidest) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, " has shape ", ShapeText(shape), "; expected [1..", kWidest, ",in,3,3]"));
    }
    *width = shape[0];
  }
  return widths;
}

std::vector<ExpectedTensor> TaehvTensors(const DecoderConfig& config, const TaehvWidths& widths) {
  ConvolutionTable table;
  const int64_t encoder = widths.encoder;
  table.Convolution("encoder.0", {encoder, 3, 3, 3});
  for (const auto& [pool, frames] : {std::pair{2, 2}, std::pair{7, 2}, std::pair{12, 1}}) {
    table.Convolution(absl::StrCat("encoder.", pool, ".conv"), {encoder, frames * encoder, 1, 1}, /*bias=*/false);
    table.Convolution(absl::StrCat("encoder.", pool + 1), {encoder, encoder, 3, 3}, /*bias=*/false);
    for (int i = 2; i < 5; ++i) table.Memory(absl::StrCat("encoder.", pool + i), encoder);
  }
  table.Convolution("encoder.17", {config.z_dim, encoder, 3, 3});
  table.Convolution("decoder.1", {widths.levels[0], config.z_dim, 3, 3});
  for (int level = 0; level < 3; ++level) {
    const int first = 3 + 6 * level;
    const int64_t width = widths.levels[level];
    const int64_t frames = level == 0 ? 1 : 2;
    for (int i = 0; i < 3; ++i) table.Memory(absl::StrCat("decoder.", first + i), width);
    table.Convolution(absl::StrCat("decoder.", first + 4, ".conv"), {frames * width, width, 1, 1}, /*bias=*/false);
    table.Convolution(absl::StrCat("decoder.", first + 5), {widths.levels[level + 1], width, 3, 3}, /*bias=*/false);
  }
  table.Convolution("decoder.22", {3, widths.levels[3], 3, 3});
  return table.Take();
}

absl::StatusOr<DecoderKind> FindDecoderKind(const SourceTensors& tensors) {
  if (tensors.contains("decoder.upsamples.0.residual.0.gamma")) return DecoderKind::kWanVae;
  if (tensors.contains("decoder.up_blocks.0.resnets.0.norm1.gamma")) return DecoderKind::kWanVae;
  if (tensors.contains("decoder.3.conv.0.weight")) return DecoderKind::kTaehv;
  const std::string network = NetworkOf(tensors);
  return absl::InvalidArgumentError(
      absl::StrCat("neither the Wan VAE (it has decoder.upsamples.0.residual.0.gamma) nor TAEHV (it has "
                   "decoder.3.conv.0.weight)",
                   network.empty() ? "" : "; it is ", network));
}

absl::Status CheckTensors(absl::string_view what, const std::vector<ExpectedTensor>& expected,
                          const SourceTensors& tensors, std::string (*spell)(absl::string_view)) {
  Faults missing("missing");
  Faults wrong_shape("of another shape");
  Faults wrong_type("of a type that is not F32, F16, BF16, F64 or 8-bit floating");
  Faults surplus("that this network does not have");
  std::map<absl::string_view, const ExpectedTensor*> names;
  size_t found = 0;
  for (const ExpectedTensor& row : expected) {
    names.emplace(row.name, &row);
    const auto tensor = tensors.find(row.name);
    found += tensor == tensors.end() ? 0 : 1;
    if (tensor == tensors.end()) {
      missing.Add(spell == nullptr ? row.name : spell(row.name));
    } else if (tensor->second.shape != row.shape) {
      wrong_shape.Add(absl::StrCat(NameInFile(row.name, tensor->second), " is ", ShapeText(tensor->second.shape),
                                   ", expected ", ShapeText(row.shape)));
    } else if (!IsWeightType(tensor->second.dtype)) {
      wrong_type.Add(
          absl::StrCat(NameInFile(row.name, tensor->second), " is ", std::string(DTypeName(tensor->second.dtype))));
    }
  }
  for (const auto& [name, tensor] : tensors) {
    if (!names.contains(name)) surplus.Add(NameInFile(name, tensor));
  }
  std::vector<std::string> lines;
  for (const Faults* faults : {&missing, &wrong_shape, &wrong_type, &surplus}) faults->AppendTo(&lines);
  if (lines.empty()) return absl::OkStatus();
  // A file of another network has few of these names or none: what it is says more than all counts.
  const std::string network = 2 * found < expected.size() ? NetworkOf(tensors) : "";
  return absl::InvalidArgumentError(absl::StrCat(what, ": of ", expected.size(), " tensors expected and ",
                                                 tensors.size(), " found, ", absl::StrJoin(lines, "; "),
                                                 network.empty() ? "" : "; it is ", network, StrangersAmong(tensors)));
}

}  // namespace videodiffcr
