#include "convert/tensor_names.h"

#include <set>
#include <string>

#include "convert/model_presets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;

std::string Diffusers(absl::string_view ours) { return TransformerLayouts()[1].spell(ours); }
std::string HuggingFace(absl::string_view ours) { return TextEncoderLayouts()[1].spell(ours); }
std::string DiffusersVae(absl::string_view ours) { return WanVaeLayouts()[1].spell(ours); }

TEST(StripWrappers, RemovesWhatTrainingAndPackagingAdd) {
  EXPECT_EQ(StripWrappers("model.blocks.0.self_attn.q.weight"), "blocks.0.self_attn.q.weight");
  EXPECT_EQ(StripWrappers("model._fsdp_wrapped_module.blocks.0._checkpoint_wrapped_module.ffn.0.weight"),
            "blocks.0.ffn.0.weight");
  EXPECT_EQ(StripWrappers("_orig_mod.model.head.modulation"), "head.modulation");
  EXPECT_EQ(StripWrappers("patch_embedding.weight"), "patch_embedding.weight");
  for (const std::string prefix :
       {"model.diffusion_model.", "diffusion_model.", "module.", "model.model.", "generator.model.", "module.model.",
        "_forward_module.", "ema_model.module.", "ema.", "net."}) {
    EXPECT_EQ(StripWrappers(prefix + "blocks.1.modulation"), "blocks.1.modulation") << prefix;
  }
}

// scripts/convert_wan_to_diffusers.py of Diffusers.
TEST(NameLayouts, SpellTheTransformerAsDiffusersDoes) {
  EXPECT_EQ(Diffusers("patch_embedding.weight"), "patch_embedding.weight");
  EXPECT_EQ(Diffusers("text_embedding.0.weight"), "condition_embedder.text_embedder.linear_1.weight");
  EXPECT_EQ(Diffusers("time_embedding.2.bias"), "condition_embedder.time_embedder.linear_2.bias");
  EXPECT_EQ(Diffusers("time_projection.1.weight"), "condition_embedder.time_proj.weight");
  EXPECT_EQ(Diffusers("head.modulation"), "scale_shift_table");
  EXPECT_EQ(Diffusers("head.head.bias"), "proj_out.bias");
  EXPECT_EQ(Diffusers("blocks.11.modulation"), "blocks.11.scale_shift_table");
  EXPECT_EQ(Diffusers("blocks.11.self_attn.q.weight"), "blocks.11.attn1.to_q.weight");
  EXPECT_EQ(Diffusers("blocks.11.self_attn.o.bias"), "blocks.11.attn1.to_out.0.bias");
  EXPECT_EQ(Diffusers("blocks.11.cross_attn.norm_k.weight"), "blocks.11.attn2.norm_k.weight");
  EXPECT_EQ(Diffusers("blocks.11.cross_attn.v.weight"), "blocks.11.attn2.to_v.weight");
  EXPECT_EQ(Diffusers("blocks.11.ffn.0.weight"), "blocks.11.ffn.net.0.proj.weight");
  EXPECT_EQ(Diffusers("blocks.11.ffn.2.bias"), "blocks.11.ffn.net.2.bias");
  EXPECT_EQ(Diffusers("blocks.11.norm3.weight"), "blocks.11.norm2.weight");
}

TEST(NameLayouts, SpellTheTextEncoderAsHuggingFaceDoes) {
  EXPECT_EQ(HuggingFace("token_embedding.weight"), "shared.weight");
  EXPECT_EQ(HuggingFace("norm.weight"), "encoder.final_layer_norm.weight");
  EXPECT_EQ(HuggingFace("blocks.3.norm1.weight"), "encoder.block.3.layer.0.layer_norm.weight");
  EXPECT_EQ(HuggingFace("blocks.3.attn.q.weight"), "encoder.block.3.layer.0.SelfAttention.q.weight");
  EXPECT_EQ(HuggingFace("blocks.3.pos_embedding.embedding.weight"),
            "encoder.block.3.layer.0.SelfAttention.relative_attention_bias.weight");
  EXPECT_EQ(HuggingFace("blocks.3.norm2.weight"), "encoder.block.3.layer.1.layer_norm.weight");
  EXPECT_EQ(HuggingFace("blocks.3.ffn.gate.0.weight"), "encoder.block.3.layer.1.DenseReluDense.wi_0.weight");
  EXPECT_EQ(HuggingFace("blocks.3.ffn.fc1.weight"), "encoder.block.3.layer.1.DenseReluDense.wi_1.weight");
  EXPECT_EQ(HuggingFace("blocks.3.ffn.fc2.weight"), "encoder.block.3.layer.1.DenseReluDense.wo.weight");
}

TEST(NameLayouts, SpellTheVaeAsDiffusersDoes) {
  EXPECT_EQ(DiffusersVae("conv1.weight"), "quant_conv.weight");
  EXPECT_EQ(DiffusersVae("conv2.bias"), "post_quant_conv.bias");
  EXPECT_EQ(DiffusersVae("encoder.conv1.weight"), "encoder.conv_in.weight");
  EXPECT_EQ(DiffusersVae("encoder.downsamples.5.time_conv.weight"), "encoder.down_blocks.5.time_conv.weight");
  EXPECT_EQ(DiffusersVae("encoder.downsamples.3.residual.2.weight"), "encoder.down_blocks.3.conv1.weight");
  EXPECT_EQ(DiffusersVae("encoder.downsamples.3.shortcut.bias"), "encoder.down_blocks.3.conv_shortcut.bias");
  EXPECT_EQ(DiffusersVae("encoder.middle.0.residual.0.gamma"), "encoder.mid_block.resnets.0.norm1.gamma");
  EXPECT_EQ(DiffusersVae("decoder.middle.1.to_qkv.weight"), "decoder.mid_block.attentions.0.to_qkv.weight");
  EXPECT_EQ(DiffusersVae("decoder.middle.2.residual.6.bias"), "decoder.mid_block.resnets.1.conv2.bias");
  EXPECT_EQ(DiffusersVae("decoder.upsamples.0.residual.3.gamma"), "decoder.up_blocks.0.resnets.0.norm2.gamma");
  EXPECT_EQ(DiffusersVae("decoder.upsamples.3.resample.1.weight"),
            "decoder.up_blocks.0.upsamplers.0.resample.1.weight");
  EXPECT_EQ(DiffusersVae("decoder.upsamples.4.shortcut.weight"), "decoder.up_blocks.1.resnets.0.conv_shortcut.weight");
  EXPECT_EQ(DiffusersVae("decoder.upsamples.14.residual.2.bias"), "decoder.up_blocks.3.resnets.2.conv1.bias");
  EXPECT_EQ(DiffusersVae("decoder.head.0.gamma"), "decoder.norm_out.gamma");
  EXPECT_EQ(DiffusersVae("decoder.head.2.weight"), "decoder.conv_out.weight");
}

TEST(NameLayouts, GiveEveryTensorANameOfItsOwn) {
  const ModelConfig config = Wan21TextToVideo1_3B(DecoderKind::kWanVae);
  const std::pair<std::vector<NameLayout>, std::vector<ExpectedTensor>> networks[] = {
      {TransformerLayouts(), TransformerTensors(config.transformer)},
      {TextEncoderLayouts(), TextEncoderTensors(config.text_encoder)},
      {WanVaeLayouts(), WanVaeTensors(config.decoder)}};
  for (const auto& [layouts, table] : networks) {
    std::set<std::string> names;
    for (const ExpectedTensor& row : table) EXPECT_TRUE(names.insert(layouts[1].spell(row.name)).second) << row.name;
  }
}

TEST(RenameTensors, SwapsNormsAndLeavesWhatHasNoPlaceUnderAMark) {
  const std::vector<ExpectedTensor> table = {{"blocks.0.norm3.weight", {1}}, {"head.modulation", {1}}};
  SourceTensors tensors;
  for (const char* name : {"blocks.0.norm2.weight", "scale_shift_table", "blocks.0.norm3.weight"}) {
    tensors[name] = {.original = name};
  }
  const NameLayout& layout = FindLayout(TransformerLayouts(), table, tensors);
  EXPECT_EQ(layout.owner, "Diffusers");
  const SourceTensors renamed = RenameTensors(layout, table, tensors);
  EXPECT_EQ(renamed.at("blocks.0.norm3.weight").original, "blocks.0.norm2.weight");
  EXPECT_EQ(renamed.at("head.modulation").original, "scale_shift_table");
  EXPECT_EQ(renamed.at("?blocks.0.norm3.weight").original, "blocks.0.norm3.weight");
}

TEST(RenameTensors, LeavesOutWhatTheTextEncoderDoesNotNeed) {
  const std::vector<ExpectedTensor> table = {{"token_embedding.weight", {1}}, {"norm.weight", {1}}};
  SourceTensors whole;
  for (const char* name : {"shared.weight", "encoder.embed_tokens.weight", "encoder.final_layer_norm.weight",
                           "decoder.block.0.layer.0.layer_norm.weight", "lm_head.weight", "spiece_model"}) {
    whole[name] = {.original = name};
  }
  std::vector<std::string> names;
  for (const auto& [name, tensor] : RenameTensors(TextEncoderLayouts()[1], table, whole)) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("norm.weight", "token_embedding.weight"));
  whole.erase("shared.weight");
  EXPECT_EQ(RenameTensors(TextEncoderLayouts()[1], table, whole).at("token_embedding.weight").original,
            "encoder.embed_tokens.weight");
}

}  // namespace
}  // namespace videodiffcr
