#include "convert/tensor_signs.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {
namespace {

// Tensors that only who quantized a file puts beside its weights, by how their names end or by what stands in them.
struct QuantizerSign {
  absl::string_view part, quantizer;
};
constexpr QuantizerSign kQuantizers[] = {{".quant_state.bitsandbytes", "bitsandbytes (4 bits)"},
                                         {".SCB", "bitsandbytes (8 bits)"},
                                         {".qweight", "GPTQ, AWQ or SVDQuant"},
                                         {".weight._data", "quanto"},
                                         {".weight_scale_2", "NVFP4"}};

bool HoldsLora(const SourceTensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    for (const absl::string_view part : {".lora_A.", ".lora_down.", ".lora_B.", ".lora_up.", ".lora.down."}) {
      if (absl::StrContains(name, part)) return true;
    }
  }
  return false;
}

}  // namespace

std::string NetworkOf(const SourceTensors& tensors) {
  struct Sign {
    absl::string_view name, network;
  };
  constexpr Sign kSigns[] = {
      {"img_emb.proj.1.weight", "an image-to-video transformer, which this server does not run"},
      {"condition_embedder.image_embedder.ff.net.0.proj.weight",
       "an image-to-video transformer, which this server does not run"},
      {"vace_blocks.0.before_proj.weight", "a VACE transformer, which this server does not run"},
      {"blocks.0.self_attn.q.weight", "a Wan transformer (--transformer)"},
      {"blocks.0.attn1.to_q.weight", "a Wan transformer with Diffusers' names (--transformer)"},
      {"blocks.0.attn.q.weight", "a UMT5 text encoder (--text-encoder)"},
      {"encoder.block.0.layer.0.SelfAttention.q.weight", "a UMT5 text encoder (--text-encoder)"},
      {"decoder.upsamples.0.residual.0.gamma", "the Wan VAE (--decoder)"},
      {"decoder.up_blocks.0.resnets.0.norm1.gamma", "the Wan VAE with Diffusers' names (--decoder)"},
      {"decoder.3.conv.0.weight", "TAEHV (--decoder)"},
      {"blocks.0.router.down.weight", "pruning routers (--routers)"}};
  for (const Sign& sign : kSigns) {
    if (tensors.contains(sign.name)) return std::string(sign.network);
  }
  return HoldsLora(tensors) ? "a LoRA (--lora, beside the --transformer that it changes)" : "";
}

std::string StrangersAmong(const SourceTensors& tensors) {
  for (const auto& [name, tensor] : tensors) {
    for (const QuantizerSign& sign : kQuantizers) {
      if (!absl::StrContains(name, sign.part)) continue;
      return absl::StrCat("; it is quantized by ", sign.quantizer,
                          ": take the file that is not, or one in 8-bit floats");
    }
    // A tensor that was read as a number of 8 bits and should be a weight.
    if (tensor.dtype == DType::kI8 && absl::EndsWith(name, ".weight")) {
      return "; it is quantized to integers: take the file that is not, or one in 8-bit floats";
    }
  }
  const bool whole = tensors.contains("blocks.0.self_attn.q.weight") || tensors.contains("blocks.0.attn1.to_q.weight");
  return whole && HoldsLora(tensors) ? "; it carries a LoRA that was not merged: save both apart and give the second "
                                       "with --lora"
                                     : "";
}

}  // namespace videodiffcr
