#include "model/plain/text/tokenizer.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/plain/text/piece_model.h"
#include "model/plain/text/prompt_cleaning.h"
#include "system/regular_file.h"

namespace videodiffcr {
namespace {

// `known`: those that are in `words`.
void AppendUnknownWords(const std::string& text, std::unordered_set<std::string>& known,
                        std::vector<std::string>& words) {
  for (std::string& word : std::vector<std::string>(absl::StrSplit(text, ' ', absl::SkipEmpty()))) {
    if (known.insert(word).second) words.push_back(std::move(word));
  }
}

std::vector<std::string> WordsOf(const PieceModel& pieces) {
  std::vector<std::string> words;
  for (int32_t id = 0; id < pieces.size(); ++id) {
    const Piece piece = pieces.At(id);
    const std::string word(absl::StripAsciiWhitespace(piece.text));
    if (piece.kind == PieceKind::kText && !word.empty()) words.push_back(word);
  }
  return words;
}

}  // namespace

Tokenizer::Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

absl::StatusOr<Tokenizer> Tokenizer::LoadFromFolder(const std::string& folder, const ModelConfig& config,
                                                    bool truncate) {
  TokenizerOptions options;
  options.cleaning = config.tokenizer.cleaning;
  options.max_tokens = config.transformer.text_len;
  options.embedding_rows = config.text_encoder.vocab_size;
  options.truncate = truncate;
  return Load(absl::StrCat(folder, "/", config.tokenizer.file), options);
}

absl::StatusOr<Tokenizer> Tokenizer::Load(const std::string& path, const TokenizerOptions& options) {
  if (options.max_tokens < 1) {
    return absl::InvalidArgumentError(absl::StrCat("max_tokens: ", options.max_tokens, "; must be at least 1"));
  }
  const absl::StatusOr<std::string> content = ReadRegularFile(path, kMostPieceFileBytes);
  if (!content.ok()) return content.status();
  std::string error;
  std::unique_ptr<const PieceModel> pieces = PieceModel::Parse(*content, error);
  if (pieces == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a SentencePiece model: ", error));
  }
  if (pieces->size() > options.embedding_rows) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", pieces->size(), " pieces, but the text encoder has ",
                                                   options.embedding_rows, " embedding rows"));
  }
  Tokenizer tokenizer;
  tokenizer.options_ = options;
  tokenizer.pad_id_ = pieces->pad_id();
  tokenizer.eos_id_ = pieces->eos_id();
  tokenizer.unk_id_ = pieces->unk_id();
  if (tokenizer.pad_id_ < 0 || tokenizer.eos_id_ < 0 || tokenizer.unk_id_ < 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": lacks a special piece (pad ", tokenizer.pad_id_, ", end ",
                                                   tokenizer.eos_id_, ", unknown ", tokenizer.unk_id_,
                                                   "; -1 is missing)"));
  }
  if (options.cleaning == PromptCleaning::kWords) tokenizer.vocabulary_ = WordsOf(*pieces);
  tokenizer.pieces_ = std::move(pieces);
  return tokenizer;
}

absl::StatusOr<PromptReading> Tokenizer::Read(std::string_view prompt) const {
  absl::StatusOr<std::string> clean = CleanPrompt(prompt, options_.cleaning);
  if (!clean.ok()) return clean.status();
  return ReadCleaned(*std::move(clean));
}

absl::StatusOr<PromptReading> Tokenizer::ReadCleaned(std::string clean) const {
  std::vector<Piece> pieces;
  std::string error;
  if (!pieces_->Cut(clean, pieces, error)) {
    return absl::InternalError(absl::StrCat("prompt: SentencePiece failed: ", error));
  }
  PromptReading reading{.cleaned = std::move(clean)};
  for (size_t at = 0; at < pieces.size(); ++at) {
    if (pieces[at].kind == PieceKind::kText || pieces[at].kind == PieceKind::kSpecial) {
      reading.tokens.push_back({pieces[at].id, pieces[at].text});
      continue;
    }
    std::string characters = pieces[at].text;
    while (pieces[at].kind == PieceKind::kByte && at + 1 < pieces.size() && pieces[at + 1].kind == PieceKind::kByte) {
      characters += pieces[++at].text;
    }
    reading.tokens.push_back({unk_id_, std::move(characters)});
  }
  reading.tokens.push_back({eos_id_, ""});
  return reading;
}

absl::StatusOr<TokenizedPrompt> Tokenizer::Tokenize(std::string_view prompt) const {
  absl::StatusOr<std::string> clean = CleanPrompt(prompt, options_.cleaning);
  if (!clean.ok()) return clean.status();
  return TokenizeCleaned(*std::move(clean));
}

absl::StatusOr<TokenizedPrompt> Tokenizer::TokenizeCleaned(std::string clean) const {
  const absl::StatusOr<PromptReading> reading = ReadCleaned(std::move(clean));
  if (!reading.ok()) return reading.status();
  const int64_t tokens = static_cast<int64_t>(reading->tokens.size());
  if (tokens > options_.max_tokens && !options_.truncate) {
    return absl::InvalidArgumentError(absl::StrCat("prompt: ", tokens,
                                                   " tokens with the end token; the model takes at most ",
                                                   options_.max_tokens, ", so shorten the prompt"));
  }
  TokenizedPrompt result;
  std::unordered_set<std::string> known;
  result.cut_tokens = std::max<int64_t>(0, tokens - options_.max_tokens);
  for (int64_t at = 0; at + 1 < tokens - result.cut_tokens; ++at) {
    const Token& token = reading->tokens[at];
    if (token.id == unk_id_) AppendUnknownWords(token.text, known, result.unknown_words);
    result.ids.push_back(token.id);
  }
  result.ids.push_back(eos_id_);
  return result;
}

}  // namespace videodiffcr
