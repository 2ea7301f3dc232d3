// The SentencePiece library behind plain types. Its header declares absl::string_view in a way that no Abseil header of
// the system tolerates in the same file; so neither this header nor its .cc includes Abseil, and only the tokenizer
// includes this.
#ifndef VIDEODIFFCR_MODEL_PLAIN_TEXT_PIECE_MODEL_H_
#define VIDEODIFFCR_MODEL_PLAIN_TEXT_PIECE_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace videodiffcr {

// umT5's file has 4.5 MB; a much larger one is no vocabulary of these models, and the library takes fifty times its
// size.
inline constexpr int64_t kMostPieceFileBytes = 16 << 20;

enum class PieceKind { kText, kUnknown, kByte, kSpecial };

struct Piece {
  int32_t id = 0;
  PieceKind kind = PieceKind::kText;
  // What it stands for, spaces as such; kUnknown: the characters outside the vocabulary; kByte: one byte.
  std::string text;
};

// Thread-safe: const and immutable after Parse().
class PieceModel {
 public:
  // `serialized`: the content of a spiece.model. Null, with the reason in `error`, when it is none.
  static std::unique_ptr<const PieceModel> Parse(std::string_view serialized, std::string& error);
  ~PieceModel();

  // Cuts valid UTF-8 into pieces. False, with the reason in `error`, when the library refuses.
  bool Cut(std::string_view text, std::vector<Piece>& pieces, std::string& error) const;

  int32_t size() const;
  Piece At(int32_t id) const;  // 0 <= id < size()

  // -1: the model has none.
  int32_t pad_id() const;
  int32_t eos_id() const;
  int32_t unk_id() const;

 private:
  PieceModel();

  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TEXT_PIECE_MODEL_H_
