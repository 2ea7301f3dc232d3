#include "convert/tensor_names.h"

#include <functional>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/types/span.h"

namespace videodiffcr {
namespace {

struct Renaming {
  absl::string_view ours, theirs;
};

// `name` with its leading parts replaced by the first row that fits; whole parts between dots only.
std::string ReplaceLead(absl::string_view name, absl::Span<const Renaming> rows) {
  for (const Renaming& row : rows) {
    absl::string_view rest = name;
    if (!absl::ConsumePrefix(&rest, row.ours) || !(rest.empty() || rest.front() == '.')) continue;
    return absl::StrCat(row.theirs, rest);
  }
  return std::string(name);
}

// Takes "NAME.N." off the front; -1 when it is not there.
int64_t ConsumeIndexed(absl::string_view* name, absl::string_view list) {
  absl::string_view rest = *name;
  if (!absl::ConsumePrefix(&rest, list) || !absl::ConsumePrefix(&rest, ".")) return -1;
  const size_t dot = rest.find('.');
  int64_t index = 0;
  if (dot == absl::string_view::npos || !absl::SimpleAtoi(rest.substr(0, dot), &index) || index < 0) return -1;
  *name = rest.substr(dot + 1);
  return index;
}

std::string Same(absl::string_view ours) { return std::string(ours); }

// The original model calls its norms norm1, norm3, norm2 in the order of use, Diffusers 1, 2, 3; only the middle one
// has tensors.
constexpr Renaming kDiffusersBlock[] = {{"modulation", "scale_shift_table"},
                                        {"norm3", "norm2"},
                                        {"ffn.0", "ffn.net.0.proj"},
                                        {"ffn.2", "ffn.net.2"},
                                        {"self_attn.q", "attn1.to_q"},
                                        {"self_attn.k", "attn1.to_k"},
                                        {"self_attn.v", "attn1.to_v"},
                                        {"self_attn.o", "attn1.to_out.0"},
                                        {"self_attn", "attn1"},
                                        {"cross_attn.q", "attn2.to_q"},
                                        {"cross_attn.k", "attn2.to_k"},
                                        {"cross_attn.v", "attn2.to_v"},
                                        {"cross_attn.o", "attn2.to_out.0"},
                                        {"cross_attn", "attn2"}};
constexpr Renaming kDiffusersTransformer[] = {{"text_embedding.0", "condition_embedder.text_embedder.linear_1"},
                                              {"text_embedding.2", "condition_embedder.text_embedder.linear_2"},
                                              {"time_embedding.0", "condition_embedder.time_embedder.linear_1"},
                                              {"time_embedding.2", "condition_embedder.time_embedder.linear_2"},
                                              {"time_projection.1", "condition_embedder.time_proj"},
                                              {"head.modulation", "scale_shift_table"},
                                              {"head.head", "proj_out"}};

std::string DiffusersTransformerName(absl::string_view ours) {
  absl::string_view rest = ours;
  const int64_t block = ConsumeIndexed(&rest, "blocks");
  if (block < 0) return ReplaceLead(ours, kDiffusersTransformer);
  return absl::StrCat("blocks.", block, ".", ReplaceLead(rest, kDiffusersBlock));
}

constexpr Renaming kHuggingFaceBlock[] = {{"norm1", "layer.0.layer_norm"},
                                          {"attn", "layer.0.SelfAttention"},
                                          {"pos_embedding.embedding", "layer.0.SelfAttention.relative_attention_bias"},
                                          {"norm2", "layer.1.layer_norm"},
                                          {"ffn.gate.0", "layer.1.DenseReluDense.wi_0"},
                                          {"ffn.fc1", "layer.1.DenseReluDense.wi_1"},
                                          {"ffn.fc2", "layer.1.DenseReluDense.wo"}};
constexpr Renaming kHuggingFaceEncoder[] = {{"token_embedding", "shared"}, {"norm", "encoder.final_layer_norm"}};
constexpr absl::string_view kSharedTable = "shared.weight";
constexpr absl::string_view kSecondNameOfSharedTable = "encoder.embed_tokens.weight";

std::string HuggingFaceEncoderName(absl::string_view ours) {
  absl::string_view rest = ours;
  const int64_t block = ConsumeIndexed(&rest, "blocks");
  if (block < 0) return ReplaceLead(ours, kHuggingFaceEncoder);
  return absl::StrCat("encoder.block.", block, ".", ReplaceLead(rest, kHuggingFaceBlock));
}

constexpr Renaming kDiffusersVaeResidual[] = {{"residual.0", "norm1"},
                                              {"residual.2", "conv1"},
                                              {"residual.3", "norm2"},
                                              {"residual.6", "conv2"},
                                              {"shortcut", "conv_shortcut"}};
constexpr Renaming kDiffusersVaeHalf[] = {{"conv1", "conv_in"}, {"head.0", "norm_out"}, {"head.2", "conv_out"}};
constexpr Renaming kDiffusersVae[] = {{"conv1", "quant_conv"}, {"conv2", "post_quant_conv"}};
constexpr int64_t kUpsamplesPerLevel = 4;  // three residual blocks, then the one that enlarges

// Of the encoder or the decoder, without that word.
std::string DiffusersVaeHalfName(absl::string_view ours) {
  absl::string_view rest = ours;
  if (const int64_t index = ConsumeIndexed(&rest, "middle"); index >= 0) {
    if (index == 1) return absl::StrCat("mid_block.attentions.0.", rest);
    return absl::StrCat("mid_block.resnets.", index / 2, ".", ReplaceLead(rest, kDiffusersVaeResidual));
  }
  if (const int64_t index = ConsumeIndexed(&rest, "downsamples"); index >= 0) {
    return absl::StrCat("down_blocks.", index, ".", ReplaceLead(rest, kDiffusersVaeResidual));
  }
  if (const int64_t index = ConsumeIndexed(&rest, "upsamples"); index >= 0) {
    const int64_t level = index / kUpsamplesPerLevel, place = index % kUpsamplesPerLevel;
    if (place == kUpsamplesPerLevel - 1) return absl::StrCat("up_blocks.", level, ".upsamplers.0.", rest);
    return absl::StrCat("up_blocks.", level, ".resnets.", place, ".", ReplaceLead(rest, kDiffusersVaeResidual));
  }
  return ReplaceLead(ours, kDiffusersVaeHalf);
}

std::string DiffusersVaeName(absl::string_view ours) {
  absl::string_view rest = ours;
  for (const absl::string_view half : {"encoder.", "decoder."}) {
    if (absl::ConsumePrefix(&rest, half)) return absl::StrCat(half, DiffusersVaeHalfName(rest));
  }
  return ReplaceLead(ours, kDiffusersVae);
}

// What is in a file of the text encoder that its network does not need. ComfyUI's files carry the tokenizer, and a
// whole UMT5 its decoder.
bool IsBesideTheEncoder(absl::string_view name, const SourceTensors& tensors) {
  if (name == "spiece_model") return true;
  if (!tensors.contains(kSharedTable)) return false;
  return name == kSecondNameOfSharedTable || absl::StartsWith(name, "decoder.block.") ||
         absl::StartsWith(name, "decoder.final_layer_norm.") || name == "decoder.embed_tokens.weight" ||
         absl::StartsWith(name, "lm_head.");
}

}  // namespace

std::string StripWrappers(absl::string_view name) {
  const std::string inner = absl::StrReplaceAll(name, {{"_fsdp_wrapped_module.", ""},
                                                       {"_checkpoint_wrapped_module.", ""},
                                                       {"_orig_mod.", ""},
                                                       {"_forward_module.", ""}});
  absl::string_view stripped = inner;
  while (absl::ConsumePrefix(&stripped, "model.") || absl::ConsumePrefix(&stripped, "module.") ||
         absl::ConsumePrefix(&stripped, "generator.") || absl::ConsumePrefix(&stripped, "diffusion_model.") ||
         absl::ConsumePrefix(&stripped, "ema_model.") || absl::ConsumePrefix(&stripped, "ema.") ||
         absl::ConsumePrefix(&stripped, "net.")) {
  }
  return std::string(stripped);
}

const std::vector<NameLayout>& TransformerLayouts() {
  static const auto* const layouts = new std::vector<NameLayout>{{"", Same}, {"Diffusers", DiffusersTransformerName}};
  return *layouts;
}

const std::vector<NameLayout>& TextEncoderLayouts() {
  static const auto* const layouts = new std::vector<NameLayout>{{"", Same}, {"Hugging Face", HuggingFaceEncoderName}};
  return *layouts;
}

const std::vector<NameLayout>& WanVaeLayouts() {
  static const auto* const layouts = new std::vector<NameLayout>{{"", Same}, {"Diffusers", DiffusersVaeName}};
  return *layouts;
}

const std::vector<NameLayout>& OnlyReleasedNames() {
  static const auto* const layouts = new std::vector<NameLayout>{{"", Same}};
  return *layouts;
}

const NameLayout& FindLayout(const std::vector<NameLayout>& layouts, const std::vector<ExpectedTensor>& expected,
                             const SourceTensors& tensors) {
  const NameLayout* best = &layouts.front();
  size_t most = expected.size() / 2;  // another network shares a few names with any layout
  for (const NameLayout& layout : layouts) {
    size_t found = 0;
    for (const ExpectedTensor& row : expected) found += tensors.contains(layout.spell(row.name)) ? 1 : 0;
    if (found <= most) continue;
    most = found;
    best = &layout;
  }
  return *best;
}

SourceTensors RenameTensors(const NameLayout& layout, const std::vector<ExpectedTensor>& expected,
                            const SourceTensors& tensors) {
  std::map<std::string, absl::string_view, std::less<>> ours_of;
  for (const ExpectedTensor& row : expected) ours_of.emplace(layout.spell(row.name), row.name);
  SourceTensors renamed;
  for (const auto& [name, tensor] : tensors) {
    const bool second_name = name == kSecondNameOfSharedTable && !tensors.contains(kSharedTable);
    const auto ours = ours_of.find(second_name ? kSharedTable : absl::string_view(name));
    if (ours != ours_of.end()) {
      renamed.emplace(std::string(ours->second), tensor);
    } else if (!IsBesideTheEncoder(name, tensors)) {
      // Behind a mark that no name of ours has, so that it cannot be taken for one of them.
      renamed.emplace(layout.owner.empty() ? name : absl::StrCat("?", name), tensor);
    }
  }
  return renamed;
}

}  // namespace videodiffcr
