#include "convert/convert_options.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/test_files.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string_view> Complete(std::vector<std::string_view> more = {}) {
  std::vector<std::string_view> arguments = {"--preset",       "wan2.1-t2v-1.3b", "--transformer", "t.pt",
                                             "--text-encoder", "u.pth",           "--tokenizer",   "spiece.model",
                                             "--decoder",      "taehv.pth",       "--output=out"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::string Refusal(const std::vector<std::string_view>& arguments) {
  return MessageOf(ParseConvertOptions(arguments));
}

TEST(ConvertOptions, FillARequestWithDefaults) {
  const absl::StatusOr<ConvertOptions> options = ParseConvertOptions(Complete());
  ASSERT_TRUE(options.ok()) << options.status();
  const ConversionRequest& request = options->request;
  EXPECT_EQ(options->answer, "");
  EXPECT_EQ(request.config.transformer.num_layers, 30);
  EXPECT_TRUE(request.config.Validate().ok()) << request.config.Validate();
  EXPECT_TRUE(request.decoder_kind_from_file);
  EXPECT_THAT(request.transformer_files, ElementsAre("t.pt"));
  EXPECT_THAT(request.transformer_entries,
              ElementsAre("generator_ema", "generator", "model", "state_dict", "model_state_dict"));
  EXPECT_FALSE(request.transformer_entry_required);
  EXPECT_EQ(request.precision.precision, StoredPrecision::kBFloat16);
  EXPECT_FALSE(request.precision.fp8.has_value());
  EXPECT_EQ(request.output_folder, "out");
}

TEST(ConvertOptions, TakeShardsEntryAndPrecision) {
  const absl::StatusOr<ConvertOptions> options = ParseConvertOptions(
      Complete({"--transformer", "t2.pt", "--entry", "generator", "--dtype", "fp32", "--fp8", "row"}));
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(options->request.transformer_files, ElementsAre("t.pt", "t2.pt"));
  EXPECT_THAT(options->request.transformer_entries, ElementsAre("generator"));
  EXPECT_TRUE(options->request.transformer_entry_required);
  EXPECT_EQ(options->request.precision.precision, StoredPrecision::kFloat32);
  EXPECT_EQ(options->request.precision.fp8, Fp8Scaling::kPerOutputRow);
}

TEST(ConvertOptions, NameTheFlagThatIsWrong) {
  EXPECT_THAT(Refusal(Complete({"--dtype", "fp16"})), HasSubstr("--dtype is 'fp16'; it must be one of bf16, fp32"));
  EXPECT_THAT(Refusal(Complete({"--fp8=e5m2"})), HasSubstr("--fp8 is 'e5m2'; it must be one of none, tensor, row"));
  EXPECT_THAT(Refusal(Complete({"--colour", "red"})), HasSubstr("unknown flag --colour"));
  EXPECT_THAT(Refusal(Complete({"--output", "b"})), HasSubstr("--output is given twice"));
  EXPECT_THAT(Refusal(Complete({"--entry"})), HasSubstr("--entry needs a value: NAME"));
  EXPECT_THAT(Refusal(Complete({"--entry="})), HasSubstr("--entry is ''; it must not be empty"));
  EXPECT_THAT(Refusal(Complete({"--transformer="})), HasSubstr("--transformer is ''; it must not be empty"));
  EXPECT_THAT(Refusal(Complete({"t.pt"})), HasSubstr("unexpected argument 't.pt'"));
  EXPECT_THAT(Refusal({"--preset", "wan3"}),
              HasSubstr("--preset is 'wan3'; no preset 'wan3'; there is: wan2.1-t2v-1.3b, wan2.1-t2v-14b"));
  EXPECT_THAT(Refusal({"--preset", "wan2.1-t2v-1.3b"}), HasSubstr("--transformer is needed"));
  EXPECT_THAT(Refusal(Complete({"--config", "c.json"})), HasSubstr("either --preset or --config"));
}

TEST(ConvertOptions, NameTheConfigFileThatDoesNotParse) {
  const TemporaryFolder folder;
  const std::string broken = folder.Path("c.json");
  const std::string absent = folder.Path("none.json");
  WriteFile(broken, "{]");
  EXPECT_THAT(Refusal({"--config", broken}), HasSubstr(broken));
  EXPECT_THAT(Refusal({"--config", absent}), HasSubstr(absent));
}

TEST(ConvertOptions, PrintAConfigThatReadsBack) {
  const absl::StatusOr<ConvertOptions> options = ParseConvertOptions({"--preset", "wan2.1-t2v-1.3b", "--print-config"});
  ASSERT_TRUE(options.ok()) << options.status();
  const absl::StatusOr<ModelConfig> again = ParseModelConfig(options->answer);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(FormatModelConfig(*again), options->answer);
}

TEST(ConvertOptions, NameEveryPresetWithALine) {
  const std::string lines = ParseConvertOptions({"--print-config"})->answer;
  for (const char* name : {"wan2.1-t2v-1.3b ", "wan2.1-t2v-14b ", "self-forcing ", "causal-forcing ", "longlive ",
                           "causal-forcing-frame-wise-2-step ", "causal-forcing-frame-wise-1-step ", "causvid "}) {
    EXPECT_THAT(lines, HasSubstr(name));
  }
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 9);
}

TEST(ConvertOptions, GiveEveryPresetValidSizesOfItsOwn) {
  for (const char* name :
       {"wan2.1-t2v-14b", "self-forcing", "causal-forcing", "causal-forcing-frame-wise",
        "causal-forcing-frame-wise-2-step", "causal-forcing-frame-wise-1-step", "longlive", "causvid"}) {
    const absl::StatusOr<ConvertOptions> options = ParseConvertOptions({"--preset", name, "--print-config"});
    ASSERT_TRUE(options.ok()) << options.status();
    const absl::StatusOr<ModelConfig> config = ParseModelConfig(options->answer);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->name, name);
  }
  EXPECT_EQ(ParseModelConfig(ParseConvertOptions({"--preset", "wan2.1-t2v-14b", "--print-config"})->answer)
                ->transformer.num_layers,
            40);
}

TEST(ConvertOptions, ReadLorasWithAndWithoutScale) {
  const TemporaryFolder folder;
  const std::string colons = folder.Path("style:0.5");
  WriteFile(colons, "x");
  const absl::StatusOr<ConvertOptions> options =
      ParseConvertOptions(Complete({"--lora", "a.safetensors", "--lora", "b.safetensors:-0.25", "--lora", colons}));
  ASSERT_TRUE(options.ok()) << options.status();
  const std::vector<LoraFile>& loras = options->request.loras;
  ASSERT_EQ(loras.size(), 3);
  EXPECT_EQ(loras[0].path, "a.safetensors");
  EXPECT_EQ(loras[0].scale, 1.0);
  EXPECT_EQ(loras[1].path, "b.safetensors");
  EXPECT_EQ(loras[1].scale, -0.25);
  EXPECT_EQ(loras[2].path, colons);
  EXPECT_THAT(Refusal(Complete({"--lora", "a.safetensors:nan"})), HasSubstr("--lora is 'a.safetensors:nan'"));
}

TEST(ConvertOptions, HelpNeedsNothingElse) {
  EXPECT_THAT(ParseConvertOptions({"--help"})->answer, HasSubstr("  --text-encoder FILE\n"));
}

}  // namespace
}  // namespace videodiffcr
