#include "model/plain/text/piece_model.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstdlib>

namespace videodiffcr {
namespace {

PieceKind KindOf(const sentencepiece::SentencePieceProcessor& processor, int id) {
  if (processor.IsUnknown(id)) return PieceKind::kUnknown;
  if (processor.IsByte(id)) return PieceKind::kByte;
  if (processor.IsControl(id) || processor.IsUnused(id)) return PieceKind::kSpecial;
  return PieceKind::kText;
}

// "<0x4F>", the spelling of byte pieces; 0 when it is spelled otherwise.
char ByteOf(const std::string& piece) {
  return static_cast<char>(std::strtol(piece.c_str() + std::min<size_t>(1, piece.size()), nullptr, 16));
}

// U+2581 stands for a space inside a piece.
std::string WithSpaces(std::string_view piece) {
  constexpr std::string_view kSpaceMark = "\u2581";
  std::string text;
  while (!piece.empty()) {
    const bool space = piece.substr(0, kSpaceMark.size()) == kSpaceMark;
    text += space ? ' ' : piece.front();
    piece.remove_prefix(space ? kSpaceMark.size() : 1);
  }
  return text;
}

Piece MakePiece(const sentencepiece::SentencePieceProcessor& processor, int id, const std::string& text) {
  const PieceKind kind = KindOf(processor, id);
  return {id, kind, kind == PieceKind::kByte ? std::string(1, ByteOf(text)) : WithSpaces(text)};
}

}  // namespace

PieceModel::PieceModel() : processor_(std::make_unique<sentencepiece::SentencePieceProcessor>()) {}
PieceModel::~PieceModel() = default;

std::unique_ptr<const PieceModel> PieceModel::Parse(std::string_view serialized, std::string& error) {
  std::unique_ptr<PieceModel> model(new PieceModel());
  const sentencepiece::util::Status status = model->processor_->LoadFromSerializedProto(serialized);
  if (!status.ok()) {
    error = status.message();
    return nullptr;
  }
  return model;
}

bool PieceModel::Cut(std::string_view text, std::vector<Piece>& pieces, std::string& error) const {
  std::vector<int> ids;
  std::vector<std::string> texts;
  sentencepiece::util::Status status = processor_->Encode(text, &ids);
  if (status.ok()) status = processor_->Encode(text, &texts);
  if (!status.ok() || ids.size() != texts.size()) {
    error = status.ok() ? "ids and pieces differ in number" : status.message();
    return false;
  }
  pieces.clear();
  for (size_t i = 0; i < ids.size(); ++i) pieces.push_back(MakePiece(*processor_, ids[i], texts[i]));
  return true;
}

int32_t PieceModel::size() const { return processor_->GetPieceSize(); }
Piece PieceModel::At(int32_t id) const { return MakePiece(*processor_, id, processor_->IdToPiece(id)); }
int32_t PieceModel::pad_id() const { return processor_->pad_id(); }
int32_t PieceModel::eos_id() const { return processor_->eos_id(); }
int32_t PieceModel::unk_id() const { return processor_->unk_id(); }

}  // namespace videodiffcr
