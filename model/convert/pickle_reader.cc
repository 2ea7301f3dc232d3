#include "model/convert/pickle_reader.h"

#include <bit>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "model/convert/little_endian.h"
#include "model/convert/pickle_opcodes.h"

namespace videodiffcr {
namespace {

constexpr size_t kMaxGlobalNameBytes = 256;

struct NamedGlobal {
  absl::string_view name;  // module, dot, name
  std::variant<PickleCallable, PickleStorageType> value;
};

// All that a pickle may name. Nothing of it is called.
constexpr NamedGlobal kGlobals[] = {
    {"collections.OrderedDict", PickleCallable::kOrderedDict},
    {"torch._utils._rebuild_tensor_v2", PickleCallable::kRebuildTensor},
    {"torch._utils._rebuild_parameter", PickleCallable::kRebuildParameter},
    {"torch.FloatStorage", PickleStorageType{DType::kF32}},
    {"torch.HalfStorage", PickleStorageType{DType::kF16}},
    {"torch.BFloat16Storage", PickleStorageType{DType::kBF16}},
    {"torch.DoubleStorage", PickleStorageType{DType::kF64}},
    {"torch.LongStorage", PickleStorageType{DType::kI64}},
    {"torch.IntStorage", PickleStorageType{DType::kI32}},
    {"torch.ShortStorage", PickleStorageType{DType::kI16}},
    {"torch.CharStorage", PickleStorageType{DType::kI8}},
    {"torch.ByteStorage", PickleStorageType{DType::kU8}},
    {"torch.BoolStorage", PickleStorageType{DType::kBool}},
};

class Machine {
 public:
  explicit Machine(absl::Span<const uint8_t> pickle) : pickle_(pickle) {}

  absl::StatusOr<PickleDocument> Run();

 private:
  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("pickle byte ", opcode_at_, ": ", what));
  }
  absl::Status Execute(uint8_t opcode);

  // What follows an opcode in the stream.
  absl::StatusOr<absl::Span<const uint8_t>> Take(size_t count);
  absl::StatusOr<uint64_t> TakeUnsigned(size_t bytes);
  absl::StatusOr<absl::string_view> TakeLine();

  absl::Status Push(PickleValue value);
  absl::StatusOr<PickleIndex> Pop();
  absl::StatusOr<std::vector<PickleIndex>> PopToMark();
  absl::Status PushTuple(size_t count);
  template <typename T>
  T* Top();  // null when the stack is empty or its top is of another type
  template <typename T>
  const T* Get(PickleIndex index) const {
    return std::get_if<T>(&document_.values[index]);
  }

  absl::Status PushInteger(size_t bytes, bool is_signed);
  absl::Status PushLong();
  absl::Status PushFloat();
  absl::Status PushString();
  absl::Status PushGlobal();
  absl::Status PutMemo(size_t bytes);
  absl::Status GetMemo(size_t bytes);
  absl::Status Append(absl::StatusOr<std::vector<PickleIndex>> items);
  absl::Status SetItems(absl::StatusOr<std::vector<PickleIndex>> items);
  absl::Status Build();
  absl::Status Reduce();
  absl::Status PushStorage();
  absl::StatusOr<PickledTensor> RebuildTensor(const PickleTuple& arguments) const;
  absl::StatusOr<PickledTensor> RebuildParameter(const PickleTuple& arguments) const;
  absl::StatusOr<std::vector<int64_t>> Integers(PickleIndex tuple) const;

  absl::Span<const uint8_t> pickle_;
  size_t position_ = 0;
  size_t opcode_at_ = 0;
  bool stopped_ = false;
  PickleDocument document_;
  std::vector<PickleIndex> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  absl::flat_hash_map<uint64_t, PickleIndex> memo_;
};

absl::StatusOr<PickleDocument> Machine::Run() {
  if (pickle_.size() > kMaxPickleBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a pickle of ", pickle_.size(), " bytes; at most ", kMaxPickleBytes, " are read"));
  }
  if (pickle_.size() < 2 || pickle_[0] != pickle_op::kProto || pickle_[1] != 2) {
    return Error("not a pickle of protocol 2, as torch.save writes it");
  }
  while (!stopped_) {
    opcode_at_ = position_;
    const absl::StatusOr<absl::Span<const uint8_t>> opcode = Take(1);
    if (!opcode.ok()) {
      return opcode.status();
    }
    if (absl::Status status = Execute(opcode->front()); !status.ok()) {
      return status;
    }
  }
  if (position_ != pickle_.size()) {
    return Error(absl::StrCat(pickle_.size() - position_, " bytes follow the end of the pickle"));
  }
  return std::move(document_);
}

absl::Status Machine::Execute(uint8_t opcode) {
  switch (opcode) {
    case pickle_op::kProto:
      return opcode_at_ == 0 ? TakeUnsigned(1).status() : Error("a second PROTO");
    case pickle_op::kNone:
      return Push(PickleNone{});
    case pickle_op::kNewTrue:
      return Push(true);
    case pickle_op::kNewFalse:
      return Push(false);
    case pickle_op::kBinInt:
      return PushInteger(4, /*is_signed=*/true);
    case pickle_op::kBinInt1:
      return PushInteger(1, /*is_signed=*/false);
    case pickle_op::kBinInt2:
      return PushInteger(2, /*is_signed=*/false);
    case pickle_op::kLong1:
      return PushLong();
    case pickle_op::kBinFloat:
      return PushFloat();
    case pickle_op::kBinUnicode:
      return PushString();
    case pickle_op::kEmptyTuple:
      return PushTuple(0);
    case pickle_op::kTuple1:
      return PushTuple(1);
    case pickle_op::kTuple2:
      return PushTuple(2);
    case pickle_op::kTuple3:
      return PushTuple(3);
    case pickle_op::kTuple: {
      absl::StatusOr<std::vector<PickleIndex>> items = PopToMark();
      return items.ok() ? Push(PickleTuple{*std::move(items)}) : items.status();
    }
    case pickle_op::kEmptyList:
      return Push(PickleList{});
    case pickle_op::kEmptyDict:
      return Push(PickleDict{});
    case pickle_op::kMark:
      marks_.push_back(stack_.size());
      return absl::OkStatus();
    case pickle_op::kAppend: {
      const absl::StatusOr<PickleIndex> item = Pop();
      return item.ok() ? Append(std::vector<PickleIndex>{*item}) : item.status();
    }
    case pickle_op::kAppends:
      return Append(PopToMark());
    case pickle_op::kSetItem: {
      const absl::StatusOr<PickleIndex> value = Pop();
      const absl::StatusOr<PickleIndex> key = Pop();
      return key.ok() ? SetItems(std::vector<PickleIndex>{*key, *value}) : key.status();
    }
    case pickle_op::kSetItems:
      return SetItems(PopToMark());
    case pickle_op::kBinPut:
      return PutMemo(1);
    case pickle_op::kLongBinPut:
      return PutMemo(4);
    case pickle_op::kBinGet:
      return GetMemo(1);
    case pickle_op::kLongBinGet:
      return GetMemo(4);
    case pickle_op::kGlobal:
      return PushGlobal();
    case pickle_op::kReduce:
      return Reduce();
    case pickle_op::kBuild:
      return Build();
    case pickle_op::kBinPersId:
      return PushStorage();
    case pickle_op::kStop: {
      if (stack_.size() != 1 || !marks_.empty()) {
        return Error(absl::StrCat("the pickle ends with ", stack_.size(), " values on its stack instead of one"));
      }
      document_.root = stack_.front();
      stopped_ = true;
      return absl::OkStatus();
    }
    default:
      return Error(
          absl::StrCat("opcode ", PickleOpcodeName(opcode), " is refused: it is no part of plain tensor data"));
  }
}

absl::StatusOr<absl::Span<const uint8_t>> Machine::Take(size_t count) {
  if (pickle_.size() - position_ < count) {
    return Error("the pickle is cut short");
  }
  position_ += count;
  return pickle_.subspan(position_ - count, count);
}

absl::StatusOr<uint64_t> Machine::TakeUnsigned(size_t bytes) {
  const absl::StatusOr<absl::Span<const uint8_t>> taken = Take(bytes);
  if (!taken.ok()) {
    return taken.status();
  }
  uint64_t value = 0;
  std::memcpy(&value, taken->data(), bytes);
  return value;
}

absl::StatusOr<absl::string_view> Machine::TakeLine() {
  const size_t begin = position_;
  while (position_ < pickle_.size() && position_ - begin < kMaxGlobalNameBytes && pickle_[position_] != '\n') {
    ++position_;
  }
  if (position_ == pickle_.size() || pickle_[position_] != '\n') {
    return Error("the name of a global is cut short or too long");
  }
  return absl::string_view(reinterpret_cast<const char*>(pickle_.data()) + begin, position_++ - begin);
}

absl::Status Machine::Push(PickleValue value) {
  if (document_.values.size() >= kMaxPickleValues) {
    return Error(absl::StrCat("more than ", kMaxPickleValues, " values"));
  }
  stack_.push_back(static_cast<PickleIndex>(document_.values.size()));
  document_.values.push_back(std::move(value));
  return absl::OkStatus();
}

absl::StatusOr<PickleIndex> Machine::Pop() {
  // A mark is a floor: what lies below it belongs to the one who set it.
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) {
    return Error("takes a value from an empty stack");
  }
  const PickleIndex index = stack_.back();
  stack_.pop_back();
  return index;
}

absl::StatusOr<std::vector<PickleIndex>> Machine::PopToMark() {
  if (marks_.empty()) {
    return Error("there is no mark on the stack");
  }
  std::vector<PickleIndex> items(stack_.begin() + marks_.back(), stack_.end());
  stack_.resize(marks_.back());
  marks_.pop_back();
  return items;
}

template <typename T>
T* Machine::Top() {
  const bool empty = stack_.size() <= (marks_.empty() ? 0 : marks_.back());
  return empty ? nullptr : std::get_if<T>(&document_.values[stack_.back()]);
}

absl::Status Machine::PushTuple(size_t count) {
  PickleTuple tuple;
  tuple.items.resize(count);
  for (size_t i = count; i-- > 0;) {
    const absl::StatusOr<PickleIndex> item = Pop();
    if (!item.ok()) {
      return item.status();
    }
    tuple.items[i] = *item;
  }
  return Push(std::move(tuple));
}

absl::Status Machine::PushInteger(size_t bytes, bool is_signed) {
  const absl::StatusOr<uint64_t> value = TakeUnsigned(bytes);
  if (!value.ok()) {
    return value.status();
  }
  return Push(is_signed ? int64_t{static_cast<int32_t>(*value)} : static_cast<int64_t>(*value));
}

// LONG1: a byte count, then a two's complement number. torch.save uses it for counts beyond 2^31.
absl::Status Machine::PushLong() {
  const absl::StatusOr<uint64_t> count = TakeUnsigned(1);
  if (!count.ok()) {
    return count.status();
  }
  if (*count > 8) {
    return Error(absl::StrCat("an integer of ", *count, " bytes; at most 8 are read"));
  }
  const absl::StatusOr<uint64_t> value = TakeUnsigned(*count);
  if (!value.ok()) {
    return value.status();
  }
  if (*count == 0) {
    return Push(int64_t{0});
  }
  const int unused_bits = 64 - 8 * static_cast<int>(*count);
  return Push(static_cast<int64_t>(*value << unused_bits) >> unused_bits);
}

absl::Status Machine::PushFloat() {
  const absl::StatusOr<uint64_t> bits = TakeUnsigned(8);
  // Big-endian, alone among pickle's numbers.
  return bits.ok() ? Push(std::bit_cast<double>(__builtin_bswap64(*bits))) : bits.status();
}

absl::Status Machine::PushString() {
  const absl::StatusOr<uint64_t> count = TakeUnsigned(4);
  if (!count.ok()) {
    return count.status();
  }
  const absl::StatusOr<absl::Span<const uint8_t>> text = Take(*count);
  if (!text.ok()) {
    return text.status();
  }
  return Push(absl::string_view(reinterpret_cast<const char*>(text->data()), text->size()));
}

absl::Status Machine::PushGlobal() {
  const absl::StatusOr<absl::string_view> module = TakeLine();
  const absl::StatusOr<absl::string_view> name = module.ok() ? TakeLine() : module;
  if (!name.ok()) {
    return name.status();
  }
  const std::string full_name = absl::StrCat(*module, ".", *name);
  for (const NamedGlobal& global : kGlobals) {
    if (global.name == full_name) {
      return std::visit([this](const auto& value) { return Push(value); }, global.value);
    }
  }
  return Error(
      absl::StrCat("global '", absl::CHexEscape(full_name), "' is refused: it is no part of plain tensor data"));
}

absl::Status Machine::PutMemo(size_t bytes) {
  const absl::StatusOr<uint64_t> slot = TakeUnsigned(bytes);
  if (!slot.ok()) {
    return slot.status();
  }
  if (stack_.empty()) {
    return Error("nothing on the stack to remember");
  }
  memo_[*slot] = stack_.back();
  return absl::OkStatus();
}

absl::Status Machine::GetMemo(size_t bytes) {
  const absl::StatusOr<uint64_t> slot = TakeUnsigned(bytes);
  if (!slot.ok()) {
    return slot.status();
  }
  const auto found = memo_.find(*slot);
  if (found == memo_.end()) {
    return Error(absl::StrCat("nothing was remembered under ", *slot));
  }
  stack_.push_back(found->second);
  return absl::OkStatus();
}

absl::Status Machine::Append(absl::StatusOr<std::vector<PickleIndex>> items) {
  if (!items.ok()) {
    return items.status();
  }
  PickleList* list = Top<PickleList>();
  if (list == nullptr) {
    return Error("appends to something that is not a list");
  }
  list->items.insert(list->items.end(), items->begin(), items->end());
  return absl::OkStatus();
}

// `items`: key, value, key, value, ...
absl::Status Machine::SetItems(absl::StatusOr<std::vector<PickleIndex>> items) {
  if (!items.ok()) {
    return items.status();
  }
  PickleDict* dict = Top<PickleDict>();
  if (dict == nullptr || items->size() % 2 != 0) {
    return Error("sets items of something that is not a dict, or a key without a value");
  }
  for (size_t i = 0; i < items->size(); i += 2) {
    dict->items.emplace_back((*items)[i], (*items)[i + 1]);
  }
  return absl::OkStatus();
}

// BUILD sets attributes. A state dict of PyTorch has one, _metadata (versions of its modules); it says nothing about
// tensors.
absl::Status Machine::Build() {
  const absl::StatusOr<PickleIndex> state = Pop();
  if (!state.ok()) {
    return state.status();
  }
  if (Get<PickleDict>(*state) == nullptr || Top<PickleDict>() == nullptr) {
    return Error("BUILD is refused on anything but a dict");
  }
  return absl::OkStatus();
}

absl::Status Machine::Reduce() {
  const absl::StatusOr<PickleIndex> arguments_index = Pop();
  const absl::StatusOr<PickleIndex> callable_index = Pop();
  if (!callable_index.ok()) {
    return callable_index.status();
  }
  const auto* arguments = Get<PickleTuple>(*arguments_index);
  const auto* callable = Get<PickleCallable>(*callable_index);
  if (arguments == nullptr || callable == nullptr) {
    return Error("REDUCE is refused on anything but a known callable and a tuple");
  }
  if (*callable == PickleCallable::kOrderedDict) {
    return arguments->items.empty() ? Push(PickleDict{}) : Error("an OrderedDict made from arguments is refused");
  }
  absl::StatusOr<PickledTensor> tensor =
      *callable == PickleCallable::kRebuildTensor ? RebuildTensor(*arguments) : RebuildParameter(*arguments);
  return tensor.ok() ? Push(*std::move(tensor)) : tensor.status();
}

// (storage, offset, size, stride, requires_grad, backward_hooks[, metadata])
absl::StatusOr<PickledTensor> Machine::RebuildTensor(const PickleTuple& arguments) const {
  const std::vector<PickleIndex>& items = arguments.items;
  if (items.size() != 6 && items.size() != 7) {
    return Error(absl::StrCat("_rebuild_tensor_v2 with ", items.size(), " arguments; it takes 6 or 7"));
  }
  const auto* storage = Get<PickledStorage>(items[0]);
  const auto* offset = Get<int64_t>(items[1]);
  absl::StatusOr<std::vector<int64_t>> shape = Integers(items[2]);
  absl::StatusOr<std::vector<int64_t>> strides = Integers(items[3]);
  if (storage == nullptr || offset == nullptr || !shape.ok() || !strides.ok()) {
    return Error(absl::StrCat("_rebuild_tensor_v2 takes a storage, an offset, sizes and strides (tuples of at most ",
                              kMaxTensorRank, " integers)"));
  }
  return PickledTensor{*storage, *offset, *std::move(shape), *std::move(strides)};
}

// (tensor, requires_grad, backward_hooks)
absl::StatusOr<PickledTensor> Machine::RebuildParameter(const PickleTuple& arguments) const {
  const auto* tensor = arguments.items.size() == 3 ? Get<PickledTensor>(arguments.items[0]) : nullptr;
  if (tensor == nullptr) {
    return Error("_rebuild_parameter takes a tensor and two more arguments");
  }
  return *tensor;
}

// ('storage', type, key, location, elements): the one kind of persistent id that torch.save writes.
absl::Status Machine::PushStorage() {
  const absl::StatusOr<PickleIndex> index = Pop();
  if (!index.ok()) {
    return index.status();
  }
  const auto* id = Get<PickleTuple>(*index);
  if (id == nullptr || id->items.size() != 5) {
    return Error("a persistent id that is not a tuple of five");
  }
  const auto* kind = Get<absl::string_view>(id->items[0]);
  const auto* type = Get<PickleStorageType>(id->items[1]);
  const auto* key = Get<absl::string_view>(id->items[2]);
  const auto* elements = Get<int64_t>(id->items[4]);
  if (kind == nullptr || *kind != "storage" || type == nullptr || key == nullptr || elements == nullptr) {
    return Error("a persistent id that is not ('storage', type, key, location, elements)");
  }
  return Push(PickledStorage{type->dtype, *key, *elements});
}

absl::StatusOr<std::vector<int64_t>> Machine::Integers(PickleIndex index) const {
  // The bound also keeps a pickle from having one long tuple copied into a million tensors.
  const auto* tuple = Get<PickleTuple>(index);
  if (tuple == nullptr || tuple->items.size() > kMaxTensorRank) {
    return Error("not a tuple of a few integers");
  }
  std::vector<int64_t> integers;
  for (const PickleIndex item : tuple->items) {
    const auto* integer = Get<int64_t>(item);
    if (integer == nullptr) {
      return Error("not a tuple of integers");
    }
    integers.push_back(*integer);
  }
  return integers;
}

}  // namespace

absl::StatusOr<PickleDocument> ReadPickle(absl::Span<const uint8_t> pickle) { return Machine(pickle).Run(); }

}  // namespace videodiffcr
