#include "convert/pickle_globals.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace videodiffcr {
namespace {

struct NamedGlobal {
  absl::string_view name;  // module, dot, name
  std::variant<PickleCallable, PickleForeignCallable, PickleTensorType, PickleStorageType, PickleElementType,
               PickleUnusedValue>
      value;
};

constexpr PickleElementType Foreign(absl::string_view what) { return {.foreign = what}; }

constexpr absl::string_view kNoNumbers = "is of a type of bare bits";

constexpr NamedGlobal kGlobals[] = {
    {"collections.OrderedDict", PickleCallable::kOrderedDict},
    {"torch._utils._rebuild_tensor", PickleCallable::kRebuildOldTensor},
    {"torch._utils._rebuild_tensor_v2", PickleCallable::kRebuildTensor},
    {"torch._utils._rebuild_tensor_v3", PickleCallable::kRebuildTensorOfDType},
    {"torch._utils._rebuild_parameter", PickleCallable::kRebuildParameter},
    {"torch._utils._rebuild_parameter_with_state", PickleCallable::kRebuildParameterWithState},
    {"torch._utils._rebuild_device_tensor_from_cpu_tensor", PickleCallable::kRebuildFromCpuTensor},
    {"torch._tensor._rebuild_from_type_v2", PickleCallable::kRebuildFromType},
    {"torch._utils._rebuild_qtensor",
     PickleForeignCallable{"is quantized by PyTorch; dequantize() it and save it again"}},
    {"torch._utils._rebuild_sparse_tensor", PickleForeignCallable{"is sparse; save it again after to_dense()"}},
    {"torch._utils._rebuild_nested_tensor", PickleForeignCallable{"is a nested tensor, not one of numbers"}},
    {"torch._utils._rebuild_meta_tensor_no_storage",
     PickleForeignCallable{"is on the device 'meta': it was saved without its numbers"}},
    {"torch._utils._rebuild_wrapper_subclass",
     PickleForeignCallable{"wraps other tensors in a class of its own; save it again as plain tensors"}},
    {"torch._utils._rebuild_device_tensor_from_numpy",
     PickleForeignCallable{"holds its numbers as an array of NumPy; save it again in a newer PyTorch"}},
    {"torch.Tensor", PickleTensorType{}},
    {"torch.nn.parameter.Parameter", PickleTensorType{}},
    {"torch.FloatStorage", PickleStorageType{{DType::kF32}}},
    {"torch.HalfStorage", PickleStorageType{{DType::kF16}}},
    {"torch.BFloat16Storage", PickleStorageType{{DType::kBF16}}},
    {"torch.DoubleStorage", PickleStorageType{{DType::kF64}}},
    {"torch.LongStorage", PickleStorageType{{DType::kI64}}},
    {"torch.IntStorage", PickleStorageType{{DType::kI32}}},
    {"torch.ShortStorage", PickleStorageType{{DType::kI16}}},
    {"torch.CharStorage", PickleStorageType{{DType::kI8}}},
    {"torch.ByteStorage", PickleStorageType{{DType::kU8}}},
    {"torch.BoolStorage", PickleStorageType{{DType::kBool}}},
    {"torch.storage.UntypedStorage", PickleStorageType{{DType::kU8}}},
    {"torch.storage.TypedStorage", PickleUnusedValue{}},
    {"torch.ComplexFloatStorage", PickleStorageType{Foreign("is complex")}},
    {"torch.ComplexDoubleStorage", PickleStorageType{Foreign("is complex")}},
    {"torch.QInt8Storage", PickleStorageType{Foreign("is quantized")}},
    {"torch.QUInt8Storage", PickleStorageType{Foreign("is quantized")}},
    {"torch.QInt32Storage", PickleStorageType{Foreign("is quantized")}},
    {"torch.QUInt4x2Storage", PickleStorageType{Foreign("is quantized")}},
    {"torch.QUInt2x4Storage", PickleStorageType{Foreign("is quantized")}},
    {"torch.float32", PickleElementType{DType::kF32}},
    {"torch.float16", PickleElementType{DType::kF16}},
    {"torch.bfloat16", PickleElementType{DType::kBF16}},
    {"torch.float64", PickleElementType{DType::kF64}},
    {"torch.float8_e4m3fn", PickleElementType{DType::kF8E4M3}},
    {"torch.float8_e5m2", PickleElementType{DType::kF8E5M2}},
    {"torch.int64", PickleElementType{DType::kI64}},
    {"torch.int32", PickleElementType{DType::kI32}},
    {"torch.int16", PickleElementType{DType::kI16}},
    {"torch.int8", PickleElementType{DType::kI8}},
    {"torch.uint8", PickleElementType{DType::kU8}},
    {"torch.bool", PickleElementType{DType::kBool}},
    {"torch.float8_e4m3fnuz", Foreign("is of type float8_e4m3fnuz; save it again after .to(torch.bfloat16)")},
    {"torch.float8_e5m2fnuz", Foreign("is of type float8_e5m2fnuz; save it again after .to(torch.bfloat16)")},
    {"torch.float8_e8m0fnu", Foreign("is of type float8_e8m0fnu: powers of two that scale blocks of another tensor")},
    {"torch.float4_e2m1fn_x2",
     Foreign("is of type float4_e2m1fn_x2, two numbers in a byte; take the unquantized file")},
    {"torch.uint16", Foreign("is of type uint16")},
    {"torch.uint32", Foreign("is of type uint32")},
    {"torch.uint64", Foreign("is of type uint64")},
    {"torch.complex32", Foreign("is complex")},
    {"torch.complex64", Foreign("is complex")},
    {"torch.complex128", Foreign("is complex")},
    {"torch.qint8", Foreign("is quantized")},
    {"torch.quint8", Foreign("is quantized")},
    {"torch.qint32", Foreign("is quantized")},
    {"torch.quint4x2", Foreign("is quantized")},
    {"torch.quint2x4", Foreign("is quantized")},
    {"torch.bits1x8", Foreign(kNoNumbers)},
    {"torch.bits2x4", Foreign(kNoNumbers)},
    {"torch.bits4x2", Foreign(kNoNumbers)},
    {"torch.bits8", Foreign(kNoNumbers)},
    {"torch.bits16", Foreign(kNoNumbers)},
    {"torch.per_tensor_affine", PickleUnusedValue{}},
    {"torch.per_tensor_symmetric", PickleUnusedValue{}},
    {"torch.per_channel_affine", PickleUnusedValue{}},
    {"torch.per_channel_symmetric", PickleUnusedValue{}},
    {"torch.per_channel_affine_float_qparams", PickleUnusedValue{}},
    {"torch.Size", PickleCallable::kSize},
    {"torch.device", PickleCallable::kUnusedValue},
    {"torch.serialization._get_layout", PickleCallable::kUnusedValue},
    {"collections.Counter", PickleCallable::kUnusedValue},
    {"_codecs.encode", PickleCallable::kUnusedValue},  // bytes
    {"builtins.bytearray", PickleCallable::kUnusedValue},
    {"builtins.bytes", PickleCallable::kUnusedValue},  // when there are none
    {"builtins.complex", PickleCallable::kUnusedValue},
    {"builtins.frozenset", PickleCallable::kUnusedValue},
    {"builtins.range", PickleCallable::kUnusedValue},
    {"builtins.xrange", PickleCallable::kUnusedValue},
    {"builtins.set", PickleCallable::kUnusedValue},
    {"builtins.slice", PickleCallable::kUnusedValue},
};

// "Float" of the classes torch.FloatTensor, torch.cuda.FloatTensor, torch.sparse.FloatTensor, ...: names of types, as
// trainers keep them beside the weights.
constexpr absl::string_view kTensorClasses[] = {"BFloat16", "Bool", "Byte", "Char", "Double",
                                                "Float",    "Half", "Int",  "Long", "Short"};

struct Advice {
  absl::string_view prefix;  // of the refused name
  absl::string_view text;
};

constexpr absl::string_view kRunsPrograms =
    "a pickle that names it can run programs: do not load this file in Python either";
constexpr absl::string_view kPlainValues =
    "it lies beside the weights. If you trust where the file is from, load it in PyTorch with weights_only=False and "
    "save the dict of the weights alone";

// The first that fits.
constexpr Advice kAdvice[] = {
    {"os.", kRunsPrograms},
    {"posix.", kRunsPrograms},
    {"nt.", kRunsPrograms},
    {"sys.", kRunsPrograms},
    {"subprocess.", kRunsPrograms},
    {"runpy.", kRunsPrograms},
    {"shutil.", kRunsPrograms},
    {"socket.", kRunsPrograms},
    {"webbrowser.", kRunsPrograms},
    {"builtins.", kRunsPrograms},
    {"__builtin__.", kRunsPrograms},
    {"torch.distributed.",
     "the file holds the shards of one process of a distributed training; gather whole tensors (DTensor.full_tensor(), "
     "or a full state dict) and save those"},
    {"__torch__.", "the file is a TorchScript program; save the module's state_dict() instead"},
    {"torchao.", "the weights are quantized by torchao; take the unquantized file, or dequantize() and save again"},
    {"torch.nn.", "the file holds a module and not its weights; save the module's state_dict() instead"},
    {"", kPlainValues},
};

// Protocol 2 spells Python's module of built-in names as Python 2 did, later ones do not; and what a storage on a GPU
// is called differs by its module alone.
std::string UsualSpelling(absl::string_view name) {
  absl::string_view rest = name;
  if (absl::ConsumePrefix(&rest, "__builtin__.")) return absl::StrCat("builtins.", rest);
  if (absl::EndsWith(name, "Storage") && absl::ConsumePrefix(&rest, "torch.cuda.")) return absl::StrCat("torch.", rest);
  return std::string(name);
}

bool IsTensorClass(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "torch.") || !absl::ConsumeSuffix(&name, "Tensor")) return false;
  absl::ConsumePrefix(&name, "cuda.");
  absl::ConsumePrefix(&name, "sparse.");
  return std::find(std::begin(kTensorClasses), std::end(kTensorClasses), name) != std::end(kTensorClasses);
}

// torch.int1 to torch.int7, torch.uint1 to torch.uint7.
bool IsIntegerBelowAByte(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "torch.")) return false;
  absl::ConsumePrefix(&name, "u");
  return absl::ConsumePrefix(&name, "int") && name.size() == 1 && name[0] >= '1' && name[0] <= '7';
}

}  // namespace

absl::StatusOr<PickleValue> FindPickleGlobal(absl::string_view name) {
  const std::string usual = UsualSpelling(name);
  for (const NamedGlobal& global : kGlobals) {
    if (global.name == usual) {
      return std::visit([](const auto& value) { return PickleValue(value); }, global.value);
    }
  }
  if (IsTensorClass(name)) return PickleUnusedValue{};
  if (IsIntegerBelowAByte(name)) return Foreign("is of integers of less than 8 bits");
  for (const Advice& advice : kAdvice) {
    if (!absl::StartsWith(name, advice.prefix)) continue;
    return absl::InvalidArgumentError(absl::StrCat("global '", absl::CHexEscape(name),
                                                   "' is refused: it is no part of plain tensor data; ", advice.text));
  }
  return absl::InternalError("no advice");
}

}  // namespace videodiffcr
