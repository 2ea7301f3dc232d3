// Conversions that cannot be: what they say, and that nothing is left of them.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/convert/conversion_fixture.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

using ConversionRefusalTest = ConversionTest;

TEST_F(ConversionRefusalTest, WantsRoutersAndTablesTogether) {
  request_.routers_file = "routers.safetensors";
  EXPECT_THAT(Refusal(), HasSubstr("routers need a config with a retention part"));
  request_.routers_file.clear();
  request_.config.retention.file = "routers.safetensors";
  request_.config.retention.router_dim = 2;
  request_.config.retention.step_delta_tenths = {0, 0, 0, 0};
  EXPECT_THAT(Refusal(), HasSubstr("the file of its routers is needed"));
}

TEST_F(ConversionRefusalTest, NamesFileAndTensorOfASizeThatDiffers) {
  request_.config.transformer.ffn_dim = 21;
  EXPECT_THAT(Refusal(), HasSubstr("self_forcing_dmd.pt: of 69 tensors expected and 69 found, 6 of another shape "
                                   "(model.blocks.0.ffn.0.weight is [20,12], expected [21,12]"));
}

TEST_F(ConversionRefusalTest, NamesTensorsThatAreMissingOrSurplus) {
  request_.config.transformer.num_layers = 1;
  EXPECT_THAT(Refusal(),
              HasSubstr("27 that this network does not have (model.blocks.1._fsdp_wrapped_module.cross_attn.k.bias"));
  request_.config.transformer.num_layers = 3;
  EXPECT_THAT(Refusal(), HasSubstr("27 missing (blocks.2.modulation"));
}

TEST_F(ConversionRefusalTest, RefusesAFileForAnotherPurpose) {
  std::swap(request_.text_encoder_files, request_.decoder_files);
  EXPECT_THAT(Refusal(), HasSubstr("taew2_1.pth: of 22 tensors expected"));
}

TEST_F(ConversionRefusalTest, RefusesATokenizerThatIsNone) {
  request_.tokenizer_file = TestDataPath("taew2_1.pth");
  EXPECT_THAT(Refusal(), HasSubstr("taew2_1.pth: not a SentencePiece model"));
  request_.tokenizer_file = "no/spiece.model";
  EXPECT_THAT(Refusal(), HasSubstr("no/spiece.model"));
}

TEST_F(ConversionRefusalTest, RefusesTwoFilesOfOneName) {
  request_.config.tokenizer.file = "config.json";
  EXPECT_THAT(Refusal(), HasSubstr("two files of the folder have the same name"));
}

TEST_F(ConversionRefusalTest, RefusesTheSameTensorInTwoShards) {
  request_.transformer_files.push_back(TestDataPath("ode_init.pt"));
  EXPECT_THAT(Refusal(), HasSubstr("ode_init.pt: tensor 'model.blocks.0.cross_attn.k.bias' is a second "
                                   "'blocks.0.cross_attn.k.bias'"));
}

// Reading what is gone ended the process.
TEST_F(ConversionRefusalTest, AFileThatIsCutShortWhileItIsConvertedIsAnError) {
  const std::string path = folder_.Path("shrinking.pt");
  WriteFile(path, ReadFile(request_.transformer_files[0]));
  request_.transformer_files = {path};
  const absl::Status status = ConvertModel(request_, [&](const auto&) { std::filesystem::resize_file(path, 4096); });
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("shrinking.pt"));
}

TEST_F(ConversionRefusalTest, APipeInPlaceOfATokenizerIsRefusedAtOnce) {
  std::filesystem::remove(request_.tokenizer_file);
  ASSERT_EQ(mkfifo(request_.tokenizer_file.c_str(), 0600), 0);
  EXPECT_THAT(Refusal(), HasSubstr("spiece.model: is not a regular file"));
}

TEST_F(ConversionRefusalTest, NamesTheTensorWhoseDataIsDamaged) {
  std::string file = ReadFile(request_.transformer_files[0]);
  const size_t data = file.find("self_forcing_dmd/data/40");
  ASSERT_NE(data, std::string::npos);
  file[data + 128] ^= 1;  // the entry's data starts at the next multiple of 64
  request_.transformer_files = {folder_.Path("damaged.pt")};
  WriteFile(request_.transformer_files[0], file);
  EXPECT_THAT(Refusal(), testing::ContainsRegex("damaged.pt: tensor [a-z0-9_.]+: .*data/40': checksum"));
}

TEST_F(ConversionRefusalTest, OverwritesNothing) {
  std::filesystem::create_directory(request_.output_folder);
  EXPECT_EQ(Convert().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(ConversionRefusalTest, LeavesNoFolderThatLoadsWhenItIsKilledAndCanBeRunAgain) {
  for (const int64_t last_tensor : {1, 40, 100, 69 + 22 + 128}) {
    int64_t count = 0;
    const auto die = [&](const ConversionProgress&) {
      if (++count == last_tensor) _exit(9);
    };
    EXPECT_EXIT(ConvertModel(request_, die).IgnoreError(), testing::ExitedWithCode(9), "");
    EXPECT_FALSE(std::filesystem::exists(request_.output_folder));
    EXPECT_TRUE(std::filesystem::exists(request_.output_folder + ".partial"));
    EXPECT_FALSE(LoadModelConfig(request_.output_folder + ".partial").ok());
  }
  EXPECT_TRUE(Convert().ok());
  EXPECT_TRUE(LoadModelConfig(request_.output_folder).ok());
  EXPECT_FALSE(std::filesystem::exists(request_.output_folder + ".partial"));
}

TEST_F(ConversionRefusalTest, LeavesNothingWhenTheDiskRefusesToTakeMore) {
  // A file size limit stands in for a full disk: write() fails with EFBIG once the signal is ignored.
  const auto convert_within_limit = [this] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{8192, 8192};
    setrlimit(RLIMIT_FSIZE, &limit);
    const std::string message = MessageOf(Convert());
    _exit(message.find("cannot write") != std::string::npos ? 7 : 8);
  };
  EXPECT_EXIT(convert_within_limit(), testing::ExitedWithCode(7), "");
  EXPECT_FALSE(std::filesystem::exists(request_.output_folder));
  EXPECT_FALSE(std::filesystem::exists(request_.output_folder + ".partial"));
}

}  // namespace
}  // namespace videodiffcr
