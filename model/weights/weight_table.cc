#include "model/weights/weight_table.h"

#include <ATen/ops/aminmax.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {

namespace {

constexpr std::pair<DType, at::ScalarType> kScalarTypes[] = {
    {DType::kBool, at::kBool},          {DType::kU8, at::kByte},       {DType::kI8, at::kChar},
    {DType::kI16, at::kShort},          {DType::kI32, at::kInt},       {DType::kI64, at::kLong},
    {DType::kF16, at::kHalf},           {DType::kF32, at::kFloat},     {DType::kF8E4M3, at::kFloat8_e4m3fn},
    {DType::kF8E5M2, at::kFloat8_e5m2}, {DType::kBF16, at::kBFloat16}, {DType::kF64, at::kDouble}};

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

// The companion of an 8-bit tensor (docs/converting.md), absent where its values stand as they are.
std::string ScaleName(const std::string& name) { return name + ".scale"; }

// Checks the companion of `name`, [1] or [out] in fp32, and notes it as known.
absl::Status CheckScale(const SafetensorsReader& reader, const std::string& name, const TensorEntry& weight,
                        std::set<std::string>& known) {
  const auto found = reader.tensors().find(ScaleName(name));
  if (weight.dtype != DType::kF8E4M3 || found == reader.tensors().end()) return absl::OkStatus();
  const TensorEntry& scale = found->second;
  const bool fits = scale.shape.size() == 1 && (scale.shape[0] == 1 || scale.shape[0] == weight.shape.front());
  if (scale.dtype != DType::kF32 || !fits) {
    return absl::InvalidArgumentError(absl::StrCat(reader.path(), ": tensor ", found->first, " has type ",
                                                   std::string(DTypeName(scale.dtype)), " and ", scale.elements(),
                                                   " values; the scale of an E4M3 tensor is F32, one value or one per "
                                                   "output row (",
                                                   weight.shape.front(), ")"));
  }
  known.insert(found->first);
  return absl::OkStatus();
}

// Moves first and widens there: the narrow type is what travels.
at::Tensor LoadTensor(const SafetensorsReader& reader, const std::string& name, const TensorEntry& entry,
                      const WeightOptions& options) {
  const at::Tensor values = CopyToTensor(entry).to(options.device);
  const auto scale = reader.tensors().find(ScaleName(name));
  if (entry.dtype != DType::kF8E4M3 || scale == reader.tensors().end()) return values.to(options.dtype);
  std::vector<int64_t> by_row(entry.shape.size(), 1);
  by_row[0] = -1;
  return values.to(at::kFloat).mul(CopyToTensor(scale->second).to(options.device).view(by_row)).to(options.dtype);
}

// One pass over the values: NaN goes through a minimum and a maximum, and an infinity is one of them.
absl::Status CheckFinite(const std::string& path, const std::string& name, const at::Tensor& values) {
  if (values.numel() == 0) return absl::OkStatus();
  const auto [least, most] = at::aminmax(values);
  const double low = least.item<double>(), high = most.item<double>();
  if (std::isfinite(low) && std::isfinite(high)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": tensor ", name, " holds values that are not finite in ",
                                                 std::string(c10::toString(values.scalar_type())), " (from ", low,
                                                 " to ", high,
                                                 "); was training broken off, or is the type too narrow for them?"));
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
    if (absl::Status status = CheckScale(reader, name, *entry, known); !status.ok()) return status;
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
    const std::string name = options.prefix + row.name;
    const absl::StatusOr<TensorEntry> entry = reader.Find(name, row.shape);
    if (!entry.ok()) return entry.status();
    at::Tensor values = LoadTensor(reader, name, *entry, options);
    if (absl::Status status = reader.CheckWhole(); !status.ok()) return status;
    if (absl::Status status = CheckFinite(reader.path(), name, values); !status.ok()) return status;
    *row.destination = std::move(values);
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
