#include "convert/pickle_instruction.h"

#include <bit>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "convert/little_endian.h"
#include "convert/pickle_globals.h"
#include "convert/pickle_opcodes.h"

namespace videodiffcr {
namespace {

using namespace pickle_instruction;

constexpr size_t kMaxGlobalNameBytes = 256;

// The instructions that are one byte.
std::optional<PickleInstruction> PlainInstruction(uint8_t opcode) {
  switch (opcode) {
    case pickle_op::kNone:
      return PushValue{PickleNone{}};
    case pickle_op::kNewTrue:
      return PushValue{true};
    case pickle_op::kNewFalse:
      return PushValue{false};
    case pickle_op::kEmptyList:
      return PushValue{PickleList{}};
    case pickle_op::kEmptyDict:
      return PushValue{PickleDict{}};
    case pickle_op::kEmptyTuple:
      return MakeTuple{0};
    case pickle_op::kTuple1:
      return MakeTuple{1};
    case pickle_op::kTuple2:
      return MakeTuple{2};
    case pickle_op::kTuple3:
      return MakeTuple{3};
    case pickle_op::kTuple:
      return MakeTuple{kDownToMark};
    case pickle_op::kMark:
      return PushMark{};
    case pickle_op::kAppend:
      return AppendToList{1};
    case pickle_op::kAppends:
      return AppendToList{kDownToMark};
    case pickle_op::kSetItem:
      return SetInDict{2};
    case pickle_op::kSetItems:
      return SetInDict{kDownToMark};
    case pickle_op::kReduce:
      return Reduce{};
    case pickle_op::kBuild:
      return Build{};
    case pickle_op::kBinPersId:
      return LoadStorage{};
    case pickle_op::kStop:
      return Stop{};
    default:
      return std::nullopt;
  }
}

template <typename T>
absl::StatusOr<PickleInstruction> Push(absl::StatusOr<T> value) {
  if (!value.ok()) return value.status();
  return PushValue{*std::move(value)};
}

}  // namespace

absl::Status PickleInstructionReader::ReadProtocol() {
  if (pickle_.size() < 2 || pickle_[0] != pickle_op::kProto) {
    return absl::InvalidArgumentError("not a pickle of protocol 2, as torch.save writes it");
  }
  if (pickle_[1] != 2 && pickle_[1] != 3) {
    return absl::InvalidArgumentError(absl::StrCat("a pickle of protocol ", pickle_[1],
                                                   ", not of protocol 2 or 3; load it in PyTorch and save it again "
                                                   "without pickle_protocol"));
  }
  next_ = 2;
  return absl::OkStatus();
}

absl::StatusOr<PickleInstruction> PickleInstructionReader::Next() {
  instruction_at_ = next_;
  const absl::StatusOr<absl::Span<const uint8_t>> opcode = Take(1);
  if (!opcode.ok()) return opcode.status();
  switch (opcode->front()) {
    case pickle_op::kProto:
      return absl::InvalidArgumentError("a second PROTO");
    case pickle_op::kBinInt: {
      const absl::StatusOr<uint64_t> value = TakeUnsigned(4);
      if (!value.ok()) return value.status();
      return PushValue{int64_t{static_cast<int32_t>(*value)}};
    }
    case pickle_op::kBinInt1:
    case pickle_op::kBinInt2: {
      const absl::StatusOr<uint64_t> value = TakeUnsigned(opcode->front() == pickle_op::kBinInt1 ? 1 : 2);
      if (!value.ok()) return value.status();
      return PushValue{static_cast<int64_t>(*value)};
    }
    case pickle_op::kLong1:
      return Push(TakeLong());
    case pickle_op::kBinFloat:
      return Push(TakeFloat());
    case pickle_op::kBinUnicode:
      return Push(TakeString(4));
    case pickle_op::kShortBinString:  // as Python 2 wrote them
      return Push(TakeString(1));
    case pickle_op::kGlobal:
      return Push(TakeGlobal());
    case pickle_op::kBinPut:
    case pickle_op::kLongBinPut: {
      const absl::StatusOr<uint64_t> slot = TakeUnsigned(opcode->front() == pickle_op::kBinPut ? 1 : 4);
      if (!slot.ok()) return slot.status();
      return PutMemo{*slot};
    }
    case pickle_op::kBinGet:
    case pickle_op::kLongBinGet: {
      const absl::StatusOr<uint64_t> slot = TakeUnsigned(opcode->front() == pickle_op::kBinGet ? 1 : 4);
      if (!slot.ok()) return slot.status();
      return GetMemo{*slot};
    }
  }
  std::optional<PickleInstruction> plain = PlainInstruction(opcode->front());
  if (plain.has_value()) return *std::move(plain);
  return absl::InvalidArgumentError(
      absl::StrCat("opcode ", PickleOpcodeName(opcode->front()), " is refused: it is no part of plain tensor data"));
}

absl::StatusOr<absl::Span<const uint8_t>> PickleInstructionReader::Take(size_t count) {
  if (pickle_.size() - next_ < count) return absl::InvalidArgumentError("the pickle is cut short");
  next_ += count;
  return pickle_.subspan(next_ - count, count);
}

absl::StatusOr<uint64_t> PickleInstructionReader::TakeUnsigned(size_t bytes) {
  const absl::StatusOr<absl::Span<const uint8_t>> taken = Take(bytes);
  if (!taken.ok()) return taken.status();
  uint64_t value = 0;
  std::memcpy(&value, taken->data(), bytes);
  return value;
}

// LONG1: a byte count, then a two's complement number. torch.save uses it for counts beyond 2^31. What is longer than
// any count, as the seed of a random generator may be, is passed over.
absl::StatusOr<PickleValue> PickleInstructionReader::TakeLong() {
  const absl::StatusOr<uint64_t> count = TakeUnsigned(1);
  if (!count.ok()) return count.status();
  if (*count > 8) {
    const absl::StatusOr<absl::Span<const uint8_t>> skipped = Take(*count);
    if (!skipped.ok()) return skipped.status();
    return PickleUnusedValue{};
  }
  const absl::StatusOr<uint64_t> value = TakeUnsigned(*count);
  if (!value.ok()) return value.status();
  if (*count == 0) return int64_t{0};
  const int unused_bits = 64 - 8 * static_cast<int>(*count);
  return static_cast<int64_t>(*value << unused_bits) >> unused_bits;
}

// Big-endian, alone among pickle's numbers.
absl::StatusOr<double> PickleInstructionReader::TakeFloat() {
  const absl::StatusOr<uint64_t> bits = TakeUnsigned(8);
  if (!bits.ok()) return bits.status();
  return std::bit_cast<double>(__builtin_bswap64(*bits));
}

absl::StatusOr<absl::string_view> PickleInstructionReader::TakeString(size_t count_bytes) {
  const absl::StatusOr<uint64_t> count = TakeUnsigned(count_bytes);
  if (!count.ok()) return count.status();
  const absl::StatusOr<absl::Span<const uint8_t>> text = Take(*count);
  if (!text.ok()) return text.status();
  return absl::string_view(reinterpret_cast<const char*>(text->data()), text->size());
}

absl::StatusOr<absl::string_view> PickleInstructionReader::TakeLine() {
  const absl::Span<const uint8_t> rest = pickle_.subspan(next_);
  size_t length = 0;
  while (length < rest.size() && length < kMaxGlobalNameBytes && rest[length] != '\n') ++length;
  if (length == rest.size() || rest[length] != '\n') {
    return absl::InvalidArgumentError("the name of a global is cut short or too long");
  }
  next_ += length + 1;
  return absl::string_view(reinterpret_cast<const char*>(rest.data()), length);
}

// GLOBAL: a line with the module, a line with the name.
absl::StatusOr<PickleValue> PickleInstructionReader::TakeGlobal() {
  const absl::StatusOr<absl::string_view> module = TakeLine();
  if (!module.ok()) return module.status();
  const absl::StatusOr<absl::string_view> name = TakeLine();
  if (!name.ok()) return name.status();
  return FindPickleGlobal(absl::StrCat(*module, ".", *name));
}

}  // namespace videodiffcr
