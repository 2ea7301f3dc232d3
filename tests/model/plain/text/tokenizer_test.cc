#include "model/plain/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

#include "tests/model/plain/text/sentencepiece_model_builder.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Builder = SentencePieceModelBuilder;

std::string TinyPath() { return std::string(std::getenv("VIDEODIFFCR_SOURCE_DIR")) + "/models/tiny/spiece.model"; }

Tokenizer TinyTokenizer(int64_t max_tokens = 32) {
  return Tokenizer::Load(TinyPath(),
                         {.cleaning = PromptCleaning::kWords, .max_tokens = max_tokens, .embedding_rows = 64})
      .value();
}

std::string WriteFile(const std::string& name, const std::string& content) {
  const std::string path = ::testing::TempDir() + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

absl::StatusOr<Tokenizer> LoadBytes(const std::string& name, const std::string& content,
                                    const TokenizerOptions& options = {}) {
  return Tokenizer::Load(WriteFile(name, content), options);
}

Builder CatVocabulary() {
  return Builder(Builder::kUnigram)
      .AddSpecialPieces()
      .Add("\u2581cat", Builder::kNormal, -1)
      .Add("\u2581", Builder::kNormal, -2)
      .Add("s", Builder::kNormal, -2);
}

TEST(Tokenizer, GivesTheIdsTheTinyModelWasTrainedWith) {
  EXPECT_THAT(TinyTokenizer().Tokenize("a large red circle moves right fast on a navy checkered background")->ids,
              ElementsAre(4, 30, 45, 16, 34, 46, 22, 38, 4, 36, 15, 7, 1));
}

TEST(Tokenizer, TakesSpecialIdsFromTheFile) {
  const Tokenizer tokenizer = TinyTokenizer();
  EXPECT_EQ(tokenizer.pad_id(), 0);
  EXPECT_EQ(tokenizer.eos_id(), 1);
  EXPECT_EQ(tokenizer.unk_id(), 3);
}

TEST(Tokenizer, ReportsUnknownWordsOnceInOrder) {
  const TokenizedPrompt prompt = TinyTokenizer().Tokenize("a Zebra, a red unicorn; zebra!").value();
  EXPECT_THAT(prompt.ids, ElementsAre(4, 3, 4, 45, 3, 1));
  EXPECT_THAT(prompt.unknown_words, ElementsAre("zebra", "unicorn"));
}

TEST(Tokenizer, GivesOnlyTheEndTokenForAnEmptyPrompt) {
  const TokenizedPrompt prompt = TinyTokenizer().Tokenize("  \n").value();
  EXPECT_THAT(prompt.ids, ElementsAre(1));
  EXPECT_THAT(prompt.unknown_words, IsEmpty());
}

TEST(Tokenizer, NeverTurnsTypedSpecialPiecesIntoSpecialIds) {
  EXPECT_THAT(LoadBytes("typed.model", CatVocabulary().Build())->Tokenize("cat</s><pad>")->ids,
              ElementsAre(4, 3, 6, 3, 1));
}

TEST(Tokenizer, ListsTheWordsOfAWholeWordModelOnly) {
  EXPECT_EQ(TinyTokenizer().vocabulary().size(), 60);
  EXPECT_EQ(TinyTokenizer().vocabulary().front(), "a");
  EXPECT_EQ(TinyTokenizer().vocabulary().back(), "yellow");
  EXPECT_THAT(LoadBytes("anything.model", CatVocabulary().Build())->vocabulary(), IsEmpty());
}

TEST(Tokenizer, RefusesAPromptWithOneTokenTooMany) {
  const Tokenizer tokenizer = TinyTokenizer(4);
  EXPECT_TRUE(tokenizer.Tokenize("a red circle").ok());
  const absl::Status status = tokenizer.Tokenize("a red circle moves").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("prompt: 5 tokens with the end token; the model takes at most 4"));
}

TEST(Tokenizer, CutsALongPromptToItsFirstTokensAndTheEndWhenItIsAskedTo) {
  const Tokenizer tokenizer =
      Tokenizer::Load(TinyPath(),
                      {.cleaning = PromptCleaning::kWords, .max_tokens = 4, .embedding_rows = 64, .truncate = true})
          .value();
  const TokenizedPrompt prompt = tokenizer.Tokenize("a red zebra moves, unicorn!").value();
  EXPECT_THAT(prompt.ids, ElementsAre(4, 45, 3, 1));
  EXPECT_EQ(prompt.cut_tokens, 2);
  EXPECT_THAT(prompt.unknown_words, ElementsAre("zebra"));
  EXPECT_EQ(tokenizer.Tokenize("a red circle")->cut_tokens, 0);
}

TEST(Tokenizer, ShowsWhatItReads) {
  const PromptReading reading = TinyTokenizer(4).Read("A  red, zebra; moves right").value();
  EXPECT_EQ(reading.cleaned, "a red zebra moves right");
  ASSERT_EQ(reading.tokens.size(), 6);
  EXPECT_EQ(reading.tokens[1].id, 45);
  EXPECT_THAT(reading.tokens[1].text, HasSubstr("red"));
  EXPECT_EQ(reading.tokens[2].id, 3);
  EXPECT_THAT(reading.tokens[2].text, HasSubstr("zebra"));
  EXPECT_EQ(reading.tokens[5].id, 1);
}

TEST(Tokenizer, RefusesInvalidUtf8) {
  EXPECT_EQ(TinyTokenizer().Tokenize("red\xFF").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Tokenizer, GivesOneUnknownTokenForARunOfBytePieces) {
  const Tokenizer tokenizer = LoadBytes("bytes.model", CatVocabulary().AddBytePieces().Build()).value();
  const TokenizedPrompt prompt = tokenizer.Tokenize("cat \u4E2D\u6587 cats").value();
  EXPECT_THAT(prompt.ids, ElementsAre(4, 5, 3, 4, 6, 1));
  EXPECT_THAT(prompt.unknown_words, ElementsAre("\u4E2D\u6587"));
}

TEST(Tokenizer, RefusesAMissingFile) {
  const absl::Status status = Tokenizer::Load("/nowhere/spiece.model", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("/nowhere/spiece.model"));
}

TEST(Tokenizer, RefusesFoldersDevicesAndPipesAtOnce) {
  const std::string pipe = ::testing::TempDir() + "/tokenizer_pipe_" + std::to_string(getpid());
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {::testing::TempDir(), std::string("/dev/zero"), pipe}) {
    EXPECT_THAT(Tokenizer::Load(path, {}).status().message(), HasSubstr(path + ": is not a regular file"));
  }
  unlink(pipe.c_str());
}

TEST(Tokenizer, RefusesBytesThatAreNoModel) {
  const std::string model = CatVocabulary().Build();
  for (const std::string& content : {std::string(), std::string("garbage"), std::string(1000, '\xFF'),
                                     std::string(1000, '\0'), model.substr(0, model.size() / 2)}) {
    const absl::Status status = LoadBytes("garbage.model", content).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(status.message(), HasSubstr("garbage.model"));
  }
}

TEST(Tokenizer, RefusesAModelWithoutEndPiece) {
  const std::string model = Builder(Builder::kWord)
                                .Add("<pad>", Builder::kControl)
                                .Add("<unk>", Builder::kUnknown)
                                .Add("\u2581cat", Builder::kNormal)
                                .Build();
  const absl::Status status = LoadBytes("no_end.model", model).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("end -1"));
}

TEST(Tokenizer, RefusesMorePiecesThanTheEncoderHasRows) {
  EXPECT_THAT(LoadBytes("rows.model", CatVocabulary().Build(), {.embedding_rows = 6}).status().message(),
              HasSubstr("7 pieces, but the text encoder has 6 embedding rows"));
}

}  // namespace
}  // namespace videodiffcr
