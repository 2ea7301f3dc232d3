#include "convert/expected_tensors.h"

#include <set>
#include <string>

#include "convert/model_presets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

int64_t Parameters(const std::vector<ExpectedTensor>& table) {
  int64_t sum = 0;
  for (const ExpectedTensor& row : table) {
    int64_t product = 1;
    for (const int64_t size : row.shape) product *= size;
    sum += product;
  }
  return sum;
}

SourceTensors SourcesOf(const std::vector<ExpectedTensor>& table) {
  SourceTensors tensors;
  for (const ExpectedTensor& row : table) tensors[row.name] = SourceTensor{.dtype = DType::kF32, .shape = row.shape};
  return tensors;
}

// The counts of the reference: causal_wan_dit.md section 1, umt5_text_encoder.md sections 1 and 6, wan_vae.md sections
// 1 and 9.
TEST(ExpectedTensors, CountAsTheReleasedModelsDo) {
  const ModelConfig config = Wan21TextToVideo1_3B(DecoderKind::kWanVae);
  EXPECT_EQ(TransformerTensors(config.transformer).size(), 825);
  EXPECT_EQ(Parameters(TransformerTensors(config.transformer)), 1'418'996'800);
  EXPECT_EQ(TextEncoderTensors(config.text_encoder).size(), 242);
  EXPECT_EQ(Parameters(TextEncoderTensors(config.text_encoder)), 5'680'910'336);
  EXPECT_EQ(WanVaeTensors(config.decoder).size(), 194);
  EXPECT_EQ(Parameters(WanVaeTensors(config.decoder)), 126'892'531);
  EXPECT_EQ(TaehvTensors(config.decoder, {}).size(), 128);
  EXPECT_EQ(Parameters(TaehvTensors(config.decoder, {})), 11'315'539);
}

TEST(ExpectedTensors, CountAsThe14BModelDoes) {
  TransformerConfig config;
  config.dim = 5120;
  config.ffn_dim = 13824;
  config.num_heads = 40;
  config.num_layers = 40;
  EXPECT_EQ(TransformerTensors(config).size(), 1095);
  EXPECT_EQ(Parameters(TransformerTensors(config)), 14'288'491'584);
}

TEST(ExpectedTensors, HaveEachNameOnce) {
  const ModelConfig config = Wan21TextToVideo1_3B(DecoderKind::kWanVae);
  for (const auto& table : {TransformerTensors(config.transformer), TextEncoderTensors(config.text_encoder),
                            WanVaeTensors(config.decoder), TaehvTensors(config.decoder, {})}) {
    std::set<std::string> names;
    for (const ExpectedTensor& row : table) EXPECT_TRUE(names.insert(row.name).second) << row.name;
  }
}

TEST(ExpectedTensors, MarkTheTenLinearsOfABlockForFp8AndNothingElse) {
  const ModelConfig config = Wan21TextToVideo1_3B(DecoderKind::kTaehv);
  std::set<std::string> linears;
  for (const ExpectedTensor& row : TransformerTensors(config.transformer)) {
    if (row.role == TensorRole::kBlockLinear && row.name.starts_with("blocks.7.")) linears.insert(row.name.substr(9));
    EXPECT_TRUE(row.role != TensorRole::kBlockLinear || row.name.starts_with("blocks.")) << row.name;
  }
  EXPECT_THAT(linears, testing::ElementsAre("cross_attn.k.weight", "cross_attn.o.weight", "cross_attn.q.weight",
                                            "cross_attn.v.weight", "ffn.0.weight", "ffn.2.weight", "self_attn.k.weight",
                                            "self_attn.o.weight", "self_attn.q.weight", "self_attn.v.weight"));
}

TEST(ExpectedTensors, OfTheRoutersFollowTheRouterWidth) {
  ModelConfig config = Wan21TextToVideo1_3B(DecoderKind::kTaehv);
  config.retention.router_dim = 64;
  const std::vector<ExpectedTensor> table = RouterTensors(config);
  EXPECT_EQ(table.size(), 4 * 30);
  EXPECT_EQ(Parameters(table), 30 * (64 * 1536 + 64 + 64 * 9 + 64));
  config.retention.bypass_rank = 32;
  EXPECT_EQ(Parameters(RouterTensors(config)), Parameters(table) + 30 * 2 * 32 * 1536);
}

TEST(FindTaehvWidths, ReadsThemOffTheFile) {
  TaehvWidths narrow{.levels = {8, 4, 2, 2}, .encoder = 2};
  const absl::StatusOr<TaehvWidths> found = FindTaehvWidths(SourcesOf(TaehvTensors({}, narrow)));
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->levels, testing::ElementsAre(8, 4, 2, 2));
  EXPECT_EQ(found->encoder, 2);
}

TEST(FindTaehvWidths, NamesTheTensorThatDoesNotTell) {
  SourceTensors tensors = SourcesOf(TaehvTensors({}, {}));
  tensors["decoder.14.weight"].shape = {int64_t{1} << 60, 1, 3, 3};
  EXPECT_THAT(MessageOf(FindTaehvWidths(tensors)), HasSubstr("decoder.14.weight has shape"));
  tensors.erase("decoder.8.weight");
  EXPECT_THAT(MessageOf(FindTaehvWidths(tensors)), HasSubstr("decoder.8.weight is missing"));
}

TEST(FindDecoderKind, KnowsBothReleasedDecoders) {
  EXPECT_EQ(*FindDecoderKind(SourcesOf(TaehvTensors({}, {}))), DecoderKind::kTaehv);
  EXPECT_EQ(*FindDecoderKind(SourcesOf(WanVaeTensors({}))), DecoderKind::kWanVae);
  EXPECT_THAT(MessageOf(FindDecoderKind({})), HasSubstr("neither the Wan VAE"));
}

TEST(CheckTensors, PassesWhatMatches) {
  const std::vector<ExpectedTensor> table = TextEncoderTensors({});
  EXPECT_TRUE(CheckTensors("t5.pth", table, SourcesOf(table)).ok());
}

TEST(CheckTensors, NamesEveryKindOfFault) {
  const std::vector<ExpectedTensor> table = TextEncoderTensors({});
  SourceTensors tensors = SourcesOf(table);
  tensors.erase("norm.weight");
  tensors["blocks.0.norm1.weight"].shape = {4095};
  tensors["blocks.0.norm2.weight"].dtype = DType::kI32;
  tensors["decoder.norm\n.weight"] = {};
  EXPECT_EQ(
      MessageOf(CheckTensors("t5.pth", table, tensors)),
      "t5.pth: of 242 tensors expected and 242 found, 1 missing (norm.weight); 1 of another shape "
      "(blocks.0.norm1.weight is [4095], expected [4096]); 1 of a type that is not F32, F16, BF16, F64 "
      "or 8-bit floating (blocks.0.norm2.weight is I32); 1 that this network does not have (decoder.norm\\n.weight)");
}

TEST(CheckTensors, CountsWhatItDoesNotList) {
  EXPECT_THAT(MessageOf(CheckTensors("t5.pth", TextEncoderTensors({}), {})),
              HasSubstr("242 missing (token_embedding.weight, blocks.0.norm1.weight, blocks.0.norm2.weight, ...)"));
}

}  // namespace
}  // namespace videodiffcr
