#include "model/weights/weight_table.h"

#include <ATen/ops/empty.h>

#include <cstring>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {

namespace {

constexpr std::pair<DType, at::ScalarType> kScalarTypes[] = {
    {DType::kBool, at::kBool},     {DType::kU8, at::kByte},   {DType::kI8, at::kChar},
    {DType::kI16, at::kShort},     {DType::kI32, at::kInt},   {DType::kI64, at::kLong},
    {DType::kF16, at::kHalf},      {DType::kF32, at::kFloat}, {DType::kF8E4M3, at::kFloat8_e4m3fn},
    {DType::kBF16, at::kBFloat16}, {DType::kF64, at::kDouble}};

at::ScalarType ScalarTypeOf(DType dtype) {
  for (const auto& [ours, torch] : kScalarTypes) {
    if (ours == dtype) return torch;
  }
  return at::kByte;
}

bool IsFloating(DType dtype) { return at::isFloatingType(ScalarTypeOf(dtype)); }

bool BelongsToOthers(const std::string& name, const WeightOptions& options) {
  for (const std::string& part : options.other_owners) {
    if (absl::StrContains(name, part)) return true;
  }
  return false;
}

absl::Status CheckRows(const SafetensorsReader& reader, const std::vector<WeightRow>& rows,
                       const WeightOptions& options) {
  std::set<std::string> known;
  for (const WeightRow& row : rows) {
    const std::string name = options.prefix + row.name;
    const absl::StatusOr<TensorEntry> entry = reader.Find(name, row.shape);
    if (!entry.ok()) return entry.status();
    if (!IsFloating(entry->dtype)) {
      return absl::InvalidArgumentError(absl::StrCat(reader.path(), ": tensor ", name, " has type ",
                                                     std::string(DTypeName(entry->dtype)),
                                                     "; weights must be floating"));
    }
    known.insert(name);
  }
  for (const auto& [name, entry] : reader.tensors()) {
    if (!absl::StartsWith(name, options.prefix) || BelongsToOthers(name, options)) continue;
    if (known.count(name) == 0) {
      return absl::InvalidArgumentError(absl::StrCat(reader.path(), ": tensor ", name,
                                                     " is none of this network's; is the file of another model, or "
                                                     "does the config name fewer layers?"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

at::Tensor CopyToTensor(const TensorEntry& entry) {
  // Copied byte by byte: data in the file is aligned to one byte only.
  at::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(ScalarTypeOf(entry.dtype)));
  if (entry.bytes > 0) std::memcpy(tensor.mutable_data_ptr(), entry.data, static_cast<size_t>(entry.bytes));
  return tensor;
}

absl::StatusOr<TensorEntry> TensorEntryOf(const at::Tensor& tensor) {
  if (!tensor.is_contiguous() || !tensor.is_cpu()) {
    return absl::InvalidArgumentError("a tensor to write must be contiguous and on the CPU");
  }
  for (const auto& [ours, torch] : kScalarTypes) {
    if (torch != tensor.scalar_type()) continue;
    TensorEntry entry;
    entry.dtype = ours;
    entry.shape = tensor.sizes().vec();
    entry.data = static_cast<const uint8_t*>(tensor.const_data_ptr());
    entry.bytes = static_cast<int64_t>(tensor.nbytes());
    return entry;
  }
  return absl::InvalidArgumentError(absl::StrCat("no safetensors type for ", at::toString(tensor.scalar_type())));
}

absl::Status LoadWeightTable(const SafetensorsReader& reader, const std::vector<WeightRow>& rows,
                             const WeightOptions& options) {
  if (absl::Status status = CheckRows(reader, rows, options); !status.ok()) return status;
  for (const WeightRow& row : rows) {
    const absl::StatusOr<TensorEntry> entry = reader.Find(options.prefix + row.name, row.shape);
    if (!entry.ok()) return entry.status();
    *row.destination = CopyToTensor(*entry).to(options.device, options.dtype);
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
