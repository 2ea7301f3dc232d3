// Prompt to token ids with the model folder's SentencePiece file (umt5_text_encoder.md sections 2 and 3).
#ifndef VIDEODIFFCR_MODEL_PLAIN_TEXT_TOKENIZER_H_
#define VIDEODIFFCR_MODEL_PLAIN_TEXT_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"

namespace videodiffcr {

class PieceModel;

struct TokenizerOptions {
  PromptCleaning cleaning = PromptCleaning::kWhitespace;
  int64_t max_tokens = 512;         // longest sequence the model takes, end token included
  int64_t embedding_rows = 256384;  // rows of the text encoder's embedding; more pieces than rows do not load
  // Whether a longer prompt is cut to its first max_tokens - 1 pieces, as the reference does, instead of refused.
  bool truncate = false;
};

// One token, and the characters that it stands for.
struct Token {
  int32_t id = 0;
  std::string text;  // spaces as such; of the end token empty
};

struct TokenizedPrompt {
  std::vector<int32_t> ids;                // [tokens], ends with the end token; never empty, never padded
  std::vector<std::string> unknown_words;  // what became the unknown token, each once, in order
  int64_t cut_tokens = 0;                  // how many tokens were left out at its end
};

// What the model reads of a prompt, for people to see.
struct PromptReading {
  std::string cleaned;
  std::vector<Token> tokens;  // the end token last, nothing cut
};

// Thread-safe: const and immutable after Load().
class Tokenizer {
 public:
  // NotFound when `path` cannot be read, InvalidArgument when it is no SentencePiece model, lacks a pad, end or unknown
  // piece, or has more pieces than the encoder has rows. Errors name the path.
  static absl::StatusOr<Tokenizer> Load(const std::string& path, const TokenizerOptions& options);

  // That of a model folder, as its config wants it.
  static absl::StatusOr<Tokenizer> LoadFromFolder(const std::string& folder, const ModelConfig& config,
                                                  bool truncate = false);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Cleans, cuts into pieces, appends the end token. Characters outside the vocabulary become one unknown token per
  // run, also when the file has byte pieces: the encoder was trained so. InvalidArgument when the prompt is not valid
  // UTF-8 or has more than options.max_tokens tokens and is not to be cut; the message states both counts.
  absl::StatusOr<TokenizedPrompt> Tokenize(std::string_view prompt) const;

  // The same of what CleanPrompt() has made of a prompt with cleaning().
  absl::StatusOr<TokenizedPrompt> TokenizeCleaned(std::string clean) const;

  // The same token by token, however many there are. InvalidArgument when the prompt is not valid UTF-8.
  absl::StatusOr<PromptReading> Read(std::string_view prompt) const;

  // The words of a whole-word model (cleaning kWords), in id order; empty for a model that takes any text.
  const std::vector<std::string>& vocabulary() const { return vocabulary_; }

  PromptCleaning cleaning() const { return options_.cleaning; }
  int64_t max_tokens() const { return options_.max_tokens; }

  // As the file says. Wan's umT5 has pad 0, end 1, unknown 3, not T5's unknown 2.
  int32_t pad_id() const { return pad_id_; }
  int32_t eos_id() const { return eos_id_; }
  int32_t unk_id() const { return unk_id_; }

 private:
  Tokenizer();
  absl::StatusOr<PromptReading> ReadCleaned(std::string clean) const;

  std::unique_ptr<const PieceModel> pieces_;
  TokenizerOptions options_;
  std::vector<std::string> vocabulary_;
  int32_t pad_id_ = 0;
  int32_t eos_id_ = 0;
  int32_t unk_id_ = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TEXT_TOKENIZER_H_
