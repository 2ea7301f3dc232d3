// The program that a pickle is, one instruction at a time: which bytes make up an instruction, and which instructions
// and names plain tensor data needs. Everything else is refused here, before anything is done.
#ifndef VIDEODIFFCR_CONVERT_PICKLE_INSTRUCTION_H_
#define VIDEODIFFCR_CONVERT_PICKLE_INSTRUCTION_H_

#include <cstddef>
#include <cstdint>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "convert/pickle_value.h"

namespace videodiffcr {
namespace pickle_instruction {

inline constexpr size_t kDownToMark = SIZE_MAX;

// `items`: how many values from the top of the stack, or kDownToMark.
struct MakeTuple {
  size_t items = 0;
};
struct AppendToList {  // which lies below the items
  size_t items = 0;
};
struct SetInDict {  // likewise; key, value, key, value, ...
  size_t items = 0;
};
struct PushValue {
  PickleValue value;
};
struct PushMark {};
struct PutMemo {
  uint64_t slot = 0;
};
struct GetMemo {
  uint64_t slot = 0;
};
struct Reduce {};       // a callable and its arguments become what it makes of them
struct Build {};        // sets attributes of the object below
struct LoadStorage {};  // a persistent id becomes what it stands for
struct Stop {};

}  // namespace pickle_instruction

using PickleInstruction =
    std::variant<pickle_instruction::PushValue, pickle_instruction::PushMark, pickle_instruction::MakeTuple,
                 pickle_instruction::AppendToList, pickle_instruction::SetInDict, pickle_instruction::PutMemo,
                 pickle_instruction::GetMemo, pickle_instruction::Reduce, pickle_instruction::Build,
                 pickle_instruction::LoadStorage, pickle_instruction::Stop>;

// Errors are InvalidArgument and do not say where; position() does.
class PickleInstructionReader {
 public:
  // Strings in the instructions point into `pickle`.
  explicit PickleInstructionReader(absl::Span<const uint8_t> pickle) : pickle_(pickle) {}

  // The head of every pickle; to be called first.
  absl::Status ReadProtocol();
  absl::StatusOr<PickleInstruction> Next();

  // The byte at which the instruction read last begins.
  size_t position() const { return instruction_at_; }
  size_t bytes_left() const { return pickle_.size() - next_; }

 private:
  absl::StatusOr<absl::Span<const uint8_t>> Take(size_t count);
  absl::StatusOr<uint64_t> TakeUnsigned(size_t bytes);
  absl::StatusOr<PickleValue> TakeLong();
  absl::StatusOr<double> TakeFloat();
  absl::StatusOr<absl::string_view> TakeString(size_t count_bytes);
  absl::StatusOr<absl::string_view> TakeLine();
  absl::StatusOr<PickleValue> TakeGlobal();

  absl::Span<const uint8_t> pickle_;
  size_t next_ = 0;
  size_t instruction_at_ = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_PICKLE_INSTRUCTION_H_
