#include "convert/pickle_reader.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "convert/pickle_instruction.h"
#include "convert/pickled_tensor.h"

namespace videodiffcr {
namespace {

using namespace pickle_instruction;

// Carries out one instruction after the other. Errors are InvalidArgument and do not say where.
class Machine {
 public:
  absl::Status Execute(PickleInstruction instruction) {
    return std::visit([this](auto&& what) { return Do(std::move(what)); }, std::move(instruction));
  }
  bool stopped() const { return stopped_; }
  PickleDocument TakeDocument() && { return std::move(document_); }

 private:
  absl::Status Do(PushValue instruction) { return Push(std::move(instruction.value)); }
  absl::Status Do(PushMark instruction);
  absl::Status Do(MakeTuple instruction);
  absl::Status Do(AppendToList instruction);
  absl::Status Do(SetInDict instruction);
  absl::Status Do(PutMemo instruction);
  absl::Status Do(GetMemo instruction);
  absl::Status Do(Reduce instruction);
  absl::Status Do(Build instruction);
  absl::Status Do(LoadStorage instruction);
  absl::Status Do(Stop instruction);

  absl::Status PushOrderedDict(const PickleTuple& arguments);
  absl::Status Push(PickleValue value);
  template <typename T>
  absl::Status Push(absl::StatusOr<T> value) {
    return value.ok() ? Push(PickleValue(*std::move(value))) : value.status();
  }
  absl::Status PushTensor(absl::StatusOr<PickledTensor> tensor);
  absl::Status PushAgain(PickleIndex index);  // a value that is there already
  // One value may be recalled for copy after copy: the bound on all of them keeps that from filling the memory.
  absl::Status CountCopies(size_t count, absl::string_view of_what);
  // Both items of a list or a tuple of two; nothing for any other value.
  std::optional<std::pair<PickleIndex, PickleIndex>> PairAt(PickleIndex index) const;
  // A mark is a floor: what lies below it belongs to the one who set it.
  size_t Floor() const { return marks_.empty() ? 0 : marks_.back(); }
  absl::StatusOr<PickleIndex> Pop();
  // So many values, or all down to the mark, which goes with them; the lowest first.
  absl::StatusOr<std::vector<PickleIndex>> PopItems(size_t count);
  template <typename T>
  T* Top() {  // null when the stack is empty or its top is of another type
    return stack_.size() <= Floor() ? nullptr : std::get_if<T>(&document_.values[stack_.back()]);
  }
  template <typename T>
  const T* Get(PickleIndex index) const {
    return std::get_if<T>(&document_.values[index]);
  }

  bool stopped_ = false;
  PickleDocument document_;
  std::vector<PickleIndex> stack_;
  std::vector<size_t> marks_;  // heights of the stack
  absl::flat_hash_map<uint64_t, PickleIndex> memo_;
  size_t copies_ = 0;
};

absl::Status Machine::Push(PickleValue value) {
  if (document_.values.size() >= kMaxPickleValues) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxPickleValues, " values"));
  }
  stack_.push_back(static_cast<PickleIndex>(document_.values.size()));
  document_.values.push_back(std::move(value));
  return absl::OkStatus();
}

absl::Status Machine::PushTensor(absl::StatusOr<PickledTensor> tensor) {
  if (!tensor.ok()) return tensor.status();
  if (absl::Status status = CountCopies(tensor->shape.size() + tensor->strides.size(), "sizes of tensors");
      !status.ok()) {
    return status;
  }
  return Push(PickleValue(*std::move(tensor)));
}

absl::Status Machine::PushAgain(PickleIndex index) {
  if (stack_.size() >= kMaxPickleValues) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxPickleValues, " values on the stack"));
  }
  stack_.push_back(index);
  return absl::OkStatus();
}

absl::Status Machine::CountCopies(size_t count, absl::string_view of_what) {
  copies_ += count;
  if (copies_ <= kMaxPickleValues) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxPickleValues, " copies of ", of_what));
}

absl::StatusOr<PickleIndex> Machine::Pop() {
  const absl::StatusOr<std::vector<PickleIndex>> items = PopItems(1);
  if (!items.ok()) return items.status();
  return items->front();
}

absl::StatusOr<std::vector<PickleIndex>> Machine::PopItems(size_t count) {
  if (count == kDownToMark) {
    if (marks_.empty()) return absl::InvalidArgumentError("there is no mark on the stack");
    count = stack_.size() - marks_.back();
    marks_.pop_back();
  } else if (stack_.size() - Floor() < count) {
    return absl::InvalidArgumentError("takes a value from an empty stack");
  }
  std::vector<PickleIndex> items(stack_.end() - count, stack_.end());
  stack_.resize(stack_.size() - count);
  return items;
}

absl::Status Machine::Do(PushMark) {
  if (marks_.size() >= kMaxPickleValues) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxPickleValues, " marks on the stack"));
  }
  marks_.push_back(stack_.size());
  return absl::OkStatus();
}

absl::Status Machine::Do(MakeTuple instruction) {
  absl::StatusOr<std::vector<PickleIndex>> items = PopItems(instruction.items);
  return items.ok() ? Push(PickleTuple{*std::move(items)}) : items.status();
}

absl::Status Machine::Do(AppendToList instruction) {
  const absl::StatusOr<std::vector<PickleIndex>> items = PopItems(instruction.items);
  if (!items.ok()) return items.status();
  PickleList* list = Top<PickleList>();
  if (list == nullptr) return absl::InvalidArgumentError("appends to something that is not a list");
  list->items.insert(list->items.end(), items->begin(), items->end());
  return absl::OkStatus();
}

absl::Status Machine::Do(SetInDict instruction) {
  const absl::StatusOr<std::vector<PickleIndex>> items = PopItems(instruction.items);
  if (!items.ok()) return items.status();
  PickleDict* dict = Top<PickleDict>();
  if (dict == nullptr || items->size() % 2 != 0) {
    return absl::InvalidArgumentError("sets items of something that is not a dict, or a key without a value");
  }
  for (size_t i = 0; i < items->size(); i += 2) dict->items.emplace_back((*items)[i], (*items)[i + 1]);
  return absl::OkStatus();
}

absl::Status Machine::Do(PutMemo instruction) {
  if (stack_.empty()) return absl::InvalidArgumentError("nothing on the stack to remember");
  if (memo_.size() >= kMaxPickleValues) {
    return absl::InvalidArgumentError(absl::StrCat("more than ", kMaxPickleValues, " values to remember"));
  }
  memo_[instruction.slot] = stack_.back();
  return absl::OkStatus();
}

absl::Status Machine::Do(GetMemo instruction) {
  const auto found = memo_.find(instruction.slot);
  if (found == memo_.end()) {
    return absl::InvalidArgumentError(absl::StrCat("nothing was remembered under ", instruction.slot));
  }
  return PushAgain(found->second);
}

absl::Status Machine::Do(Reduce) {
  const absl::StatusOr<std::vector<PickleIndex>> call = PopItems(2);
  if (!call.ok()) return call.status();
  const auto* callable = Get<PickleCallable>((*call)[0]);
  const auto* foreign = Get<PickleForeignCallable>((*call)[0]);
  const auto* arguments = Get<PickleTuple>((*call)[1]);
  if (arguments != nullptr && foreign != nullptr) return Push(PickledTensor{.foreign = foreign->what});
  if (arguments == nullptr || callable == nullptr) {
    return absl::InvalidArgumentError("REDUCE is refused on anything but a known callable and a tuple");
  }
  switch (*callable) {
    case PickleCallable::kOrderedDict:
      return PushOrderedDict(*arguments);
    case PickleCallable::kSize:  // the tuple that it is made of
      if (arguments->items.size() != 1 || Get<PickleTuple>(arguments->items[0]) == nullptr) {
        return absl::InvalidArgumentError("torch.Size takes a tuple");
      }
      return PushAgain(arguments->items[0]);
    case PickleCallable::kUnusedValue:
      return Push(PickleUnusedValue{});
    case PickleCallable::kRebuildOldTensor:
      return PushTensor(RebuildOldTensor(document_.values, *arguments));
    case PickleCallable::kRebuildTensor:
      return PushTensor(RebuildTensor(document_.values, *arguments));
    case PickleCallable::kRebuildTensorOfDType:
      return PushTensor(RebuildTensorOfDType(document_.values, *arguments));
    case PickleCallable::kRebuildFromCpuTensor:
      return PushTensor(RebuildFromCpuTensor(document_.values, *arguments));
    case PickleCallable::kRebuildParameter:
      return PushTensor(RebuildParameter(document_.values, *arguments));
    case PickleCallable::kRebuildParameterWithState:
      return PushTensor(RebuildParameterWithState(document_.values, *arguments));
    case PickleCallable::kRebuildFromType:
      return PushTensor(RebuildFromType(document_.values, *arguments));
  }
  return absl::InternalError("a callable without a meaning");
}

std::optional<std::pair<PickleIndex, PickleIndex>> Machine::PairAt(PickleIndex index) const {
  const auto* list = Get<PickleList>(index);
  const auto* tuple = Get<PickleTuple>(index);
  if (list == nullptr && tuple == nullptr) return std::nullopt;
  const std::vector<PickleIndex>& items = list != nullptr ? list->items : tuple->items;
  if (items.size() != 2) return std::nullopt;
  return std::pair(items[0], items[1]);
}

// Python 3 makes an empty one and sets its items, Python 2 made it of a list of pairs.
absl::Status Machine::PushOrderedDict(const PickleTuple& arguments) {
  if (arguments.items.empty()) return Push(PickleDict{});
  const auto* list = arguments.items.size() == 1 ? Get<PickleList>(arguments.items[0]) : nullptr;
  if (list == nullptr) return absl::InvalidArgumentError("an OrderedDict is made of nothing or of a list of pairs");
  if (absl::Status status = CountCopies(list->items.size(), "pairs of OrderedDicts"); !status.ok()) return status;
  PickleDict dict;
  for (const PickleIndex item : list->items) {
    const std::optional<std::pair<PickleIndex, PickleIndex>> pair = PairAt(item);
    if (!pair.has_value()) return absl::InvalidArgumentError("an OrderedDict of what is no list of pairs");
    dict.items.push_back(*pair);
  }
  return Push(std::move(dict));
}

// A state dict of PyTorch has one attribute, _metadata (versions of its modules); it says nothing about tensors.
absl::Status Machine::Do(Build) {
  const absl::StatusOr<PickleIndex> state = Pop();
  if (!state.ok()) return state.status();
  if (Get<PickleDict>(*state) == nullptr || Top<PickleDict>() == nullptr) {
    return absl::InvalidArgumentError("BUILD is refused on anything but a dict");
  }
  return absl::OkStatus();
}

absl::Status Machine::Do(LoadStorage) {
  const absl::StatusOr<PickleIndex> id = Pop();
  if (!id.ok()) return id.status();
  return Push(StorageOfPersistentId(document_.values, *id));
}

absl::Status Machine::Do(Stop) {
  if (stack_.size() != 1 || !marks_.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the pickle ends with ", stack_.size(), " values on its stack instead of one"));
  }
  document_.root = stack_.front();
  stopped_ = true;
  return absl::OkStatus();
}

absl::StatusOr<PickleDocument> RunPickle(PickleInstructionReader& reader) {
  if (absl::Status status = reader.ReadProtocol(); !status.ok()) return status;
  Machine machine;
  while (!machine.stopped()) {
    absl::StatusOr<PickleInstruction> instruction = reader.Next();
    if (!instruction.ok()) return instruction.status();
    if (absl::Status status = machine.Execute(*std::move(instruction)); !status.ok()) return status;
  }
  return std::move(machine).TakeDocument();
}

absl::Status AtByte(const PickleInstructionReader& reader, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("pickle byte ", reader.position(), ": ", what));
}

}  // namespace

absl::StatusOr<PickleDocument> ReadPickle(absl::Span<const uint8_t> pickle) {
  if (pickle.size() > kMaxPickleBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a pickle of ", pickle.size(), " bytes; at most ", kMaxPickleBytes, " are read"));
  }
  PickleInstructionReader reader(pickle);
  absl::StatusOr<PickleDocument> document = RunPickle(reader);
  if (!document.ok()) return AtByte(reader, document.status().message());
  if (reader.bytes_left() == 0) return document;
  return AtByte(reader, absl::StrCat(reader.bytes_left(), " bytes follow the end of the pickle"));
}

absl::StatusOr<PickleDocument> ReadFirstPickle(absl::Span<const uint8_t> bytes, size_t* pickle_bytes) {
  const absl::Span<const uint8_t> window = bytes.first(std::min(bytes.size(), kMaxPickleBytes));
  PickleInstructionReader reader(window);
  absl::StatusOr<PickleDocument> document = RunPickle(reader);
  if (!document.ok()) return AtByte(reader, document.status().message());
  *pickle_bytes = window.size() - reader.bytes_left();
  return document;
}

}  // namespace videodiffcr
