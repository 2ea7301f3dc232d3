// Builds the bytes of a SentencePiece ModelProto by hand, so that tests can make vocabularies and break them.
#ifndef VIDEODIFFCR_TESTS_MODEL_PLAIN_TEXT_SENTENCEPIECE_MODEL_BUILDER_H_
#define VIDEODIFFCR_TESTS_MODEL_PLAIN_TEXT_SENTENCEPIECE_MODEL_BUILDER_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace videodiffcr {

class SentencePieceModelBuilder {
 public:
  enum Type { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };
  enum ModelType { kUnigram = 1, kWord = 3 };

  explicit SentencePieceModelBuilder(ModelType model_type) : model_type_(model_type) {}

  SentencePieceModelBuilder& Add(std::string_view piece, Type type, float score = 0.0f) {
    std::string message = Bytes(1, piece);
    std::string raw(sizeof(score), '\0');
    std::memcpy(raw.data(), &score, sizeof(score));
    message += Varint(2 << 3 | 5) + raw + Number(3, type);
    pieces_ += Bytes(1, message);
    return *this;
  }

  // Pad 0, end 1, begin 2, unknown 3, as in umT5's file.
  SentencePieceModelBuilder& AddSpecialPieces() {
    return Add("<pad>", kControl).Add("</s>", kControl).Add("<s>", kControl).Add("<unk>", kUnknown);
  }

  SentencePieceModelBuilder& AddBytePieces() {
    constexpr char kDigits[] = "0123456789ABCDEF";
    for (int byte = 0; byte < 256; ++byte) {
      Add(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">", kByte, -20.0f);
    }
    byte_fallback_ = true;
    return *this;
  }

  std::string Build() const {
    std::string trainer = Number(3, model_type_) + Number(35, byte_fallback_ ? 1 : 0);
    trainer += Number(40, 3) + Number(41, 2) + Number(42, 1) + Number(43, 0);
    trainer += Bytes(45, "<unk>") + Bytes(46, "<s>") + Bytes(47, "</s>") + Bytes(48, "<pad>");
    const std::string normalizer = Bytes(1, "identity") + Number(3, 1) + Number(4, 1) + Number(5, 1);
    return pieces_ + Bytes(2, trainer) + Bytes(3, normalizer);
  }

 private:
  static std::string Varint(uint64_t value) {
    std::string out;
    for (; value > 0x7F; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
    return out + static_cast<char>(value);
  }
  static std::string Number(uint64_t field, uint64_t value) { return Varint(field << 3) + Varint(value); }
  static std::string Bytes(uint64_t field, std::string_view value) {
    return Varint(field << 3 | 2) + Varint(value.size()) + std::string(value);
  }

  ModelType model_type_;
  bool byte_fallback_ = false;
  std::string pieces_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_MODEL_PLAIN_TEXT_SENTENCEPIECE_MODEL_BUILDER_H_
