// Any bytes as a prompt: refused or cut into sane tokens. Any bytes as a SentencePiece file: refused, or it cuts text
// into pieces that it has. The first byte says which.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "model/plain/text/piece_model.h"
#include "model/plain/text/tokenizer.h"
#include "tests/model/plain/text/sentencepiece_model_builder.h"

namespace videodiffcr {
namespace {

void Expect(bool condition) {
  if (!condition) std::abort();
}

// Loaded through a file as every tokenizer is.
Tokenizer MakeTokenizer(SentencePieceModelBuilder builder, PromptCleaning cleaning) {
  const std::string path = "/tmp/tokenizer_fuzz.model";
  std::ofstream(path, std::ios::binary) << builder.Build();
  return Tokenizer::Load(path, {.cleaning = cleaning, .max_tokens = 512, .embedding_rows = 512}).value();
}

const Tokenizer& WordTokenizer() {
  using Builder = SentencePieceModelBuilder;
  static const Tokenizer tokenizer = MakeTokenizer(Builder(Builder::kWord)
                                                       .AddSpecialPieces()
                                                       .Add("\u2581a", Builder::kNormal)
                                                       .Add("\u2581red", Builder::kNormal)
                                                       .Add("\u2581circle", Builder::kNormal),
                                                   PromptCleaning::kWords);
  return tokenizer;
}

const Tokenizer& TextTokenizer() {
  using Builder = SentencePieceModelBuilder;
  static const Tokenizer tokenizer = MakeTokenizer(Builder(Builder::kUnigram)
                                                       .AddSpecialPieces()
                                                       .Add("\u2581cat", Builder::kNormal, -1)
                                                       .Add("\u2581", Builder::kNormal, -2)
                                                       .Add("a", Builder::kNormal, -3)
                                                       .AddBytePieces(),
                                                   PromptCleaning::kWhitespace);
  return tokenizer;
}

void CheckPrompt(const Tokenizer& tokenizer, std::string_view prompt) {
  const absl::StatusOr<TokenizedPrompt> tokens = tokenizer.Tokenize(prompt);
  if (!tokens.ok()) {
    Expect(tokens.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  Expect(!tokens->ids.empty() && tokens->ids.back() == tokenizer.eos_id());
  Expect(static_cast<int64_t>(tokens->ids.size()) <= tokenizer.max_tokens());
  for (const int32_t id : tokens->ids) Expect(id >= 0 && id < 7 + 256);
  for (const std::string& word : tokens->unknown_words) Expect(!word.empty());
}

void CheckModelFile(std::string_view serialized) {
  std::string error;
  const auto model = PieceModel::Parse(serialized, error);
  if (model == nullptr) return;
  std::vector<Piece> pieces;
  if (!model->Cut("a red zebra \u4E2D", pieces, error)) return;
  for (const Piece& piece : pieces) Expect(piece.id >= 0 && piece.id < model->size());
}

}  // namespace
}  // namespace videodiffcr

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] < 100) {
    videodiffcr::CheckPrompt(videodiffcr::WordTokenizer(), rest);
  } else if (data[0] < 200) {
    videodiffcr::CheckPrompt(videodiffcr::TextTokenizer(), rest);
  } else {
    videodiffcr::CheckModelFile(rest);
  }
  return 0;
}
