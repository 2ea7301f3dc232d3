#include "model/weights/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/weights/shown_name.h"

namespace videodiffcr {

namespace {

constexpr size_t kMaxDimensions = 8;

std::optional<DType> DTypeFromName(std::string_view name) {
  for (const DType dtype : {DType::kBool, DType::kU8, DType::kI8, DType::kI16, DType::kI32, DType::kI64, DType::kF8E4M3,
                            DType::kF8E5M2, DType::kF16, DType::kBF16, DType::kF32, DType::kF64}) {
    if (DTypeName(dtype) == name) return dtype;
  }
  return std::nullopt;
}

struct HeaderTensor {
  std::string name;
  std::optional<DType> dtype;
  std::optional<std::vector<int64_t>> shape;
  int64_t begin = -1;  // [begin, end) in the data part; negative: not read yet
  int64_t end = -1;
};

// Takes the header's events as they come instead of building a tree: nothing deeper than header > tensor > array is
// ever held, and a header of a million brackets stops at the fourth.
class HeaderHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool start_object(std::size_t) override {
    if (place_ == Place::kOutside) return MoveTo(Place::kHeader);
    if (place_ == Place::kHeader && !key_.empty()) {
      return MoveTo(key_ == "__metadata__" ? Place::kMetadata : Place::kTensor);
    }
    return Fail("an object where none belongs");
  }
  bool end_object() override {
    if (place_ == Place::kHeader) return MoveTo(Place::kOutside);
    if (place_ == Place::kTensor) {
      const HeaderTensor& tensor = tensors.back();
      if (!tensor.dtype || !tensor.shape || tensor.begin < 0) return Fail("must have dtype, shape and data_offsets");
    }
    return MoveTo(Place::kHeader);
  }
  bool key(string_t& key) override {
    if (place_ == Place::kHeader) {
      key_ = key;
      if (key.empty() || key.size() > kMaxTensorNameBytes) return Fail("a tensor's name must have 1 to 1024 bytes");
      if (!names_.insert(key).second) return Fail("appears twice");
      if (key == "__metadata__") return true;
      if (tensors.size() == kMaxTensors) return Fail(absl::StrCat("one more than the ", kMaxTensors, " that are read"));
      tensors.push_back(HeaderTensor{key});
      return true;
    }
    field_ = key;
    if (place_ == Place::kMetadata) {
      if (metadata.size() == kMaxTensors) return Fail(absl::StrCat("more than ", kMaxTensors, " keys"));
      return metadata.emplace(key, "").second || Fail(absl::StrCat("key ", ShownName(key), " appears twice"));
    }
    const HeaderTensor& tensor = tensors.back();
    const bool twice = (key == "dtype" && tensor.dtype) || (key == "shape" && tensor.shape) ||
                       (key == "data_offsets" && tensor.begin >= 0);
    if (twice) return Fail(absl::StrCat(key, " appears twice"));
    return key == "dtype" || key == "shape" || key == "data_offsets" ||
           Fail(absl::StrCat("unknown field ", ShownName(key)));
  }
  bool start_array(std::size_t) override {
    if (place_ != Place::kTensor || (field_ != "shape" && field_ != "data_offsets")) {
      return Fail("an array where none belongs");
    }
    numbers_.clear();
    return MoveTo(Place::kNumbers);
  }
  bool end_array() override {
    HeaderTensor& tensor = tensors.back();
    if (field_ == "shape") {
      tensor.shape = numbers_;
    } else if (numbers_.size() == 2) {
      tensor.begin = numbers_[0];
      tensor.end = numbers_[1];
    } else {
      return Fail("data_offsets must be two numbers");
    }
    return MoveTo(Place::kTensor);
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::kNumbers) return Fail("a number where none belongs");
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return Fail("a number beyond 63 bits");
    if (numbers_.size() == kMaxDimensions) return Fail(absl::StrCat(field_, " has more than 8 numbers"));
    numbers_.push_back(static_cast<int64_t>(value));
    return true;
  }
  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) {
      metadata[field_] = value;
      return true;
    }
    if (place_ != Place::kTensor || field_ != "dtype") return Fail("a string where none belongs");
    tensors.back().dtype = DTypeFromName(value);
    return tensors.back().dtype.has_value() || Fail(absl::StrCat("unknown dtype ", ShownName(value)));
  }
  bool number_integer(number_integer_t value) override { return Fail(absl::StrCat("negative number ", value)); }
  bool number_float(number_float_t, const string_t&) override { return Fail("a number that is not whole"); }
  bool null() override { return Fail("null where none belongs"); }
  bool boolean(bool) override { return Fail("true or false where none belongs"); }
  bool binary(binary_t&) override { return Fail("binary where none belongs"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    error = absl::StrCat("header is not valid JSON at byte ", position);
    return false;
  }

  std::map<std::string, std::string> metadata;
  std::vector<HeaderTensor> tensors;
  std::string error;

 private:
  enum class Place { kOutside, kHeader, kMetadata, kTensor, kNumbers };

  bool MoveTo(Place place) {
    place_ = place;
    return true;
  }
  bool Fail(absl::string_view message) {
    error = key_.empty() ? absl::StrCat("header: ", message) : absl::StrCat("tensor ", ShownName(key_), ": ", message);
    return false;
  }

  Place place_ = Place::kOutside;
  std::string key_;    // of the header: a tensor's name
  std::string field_;  // inside a tensor or the metadata
  std::vector<int64_t> numbers_;
  std::set<std::string, std::less<>> names_;
};

// Bytes of a tensor, or nothing when they pass 63 bits.
std::optional<int64_t> TensorBytes(DType dtype, const std::vector<int64_t>& shape) {
  int64_t bytes = DTypeBytes(dtype);
  for (const int64_t size : shape) {
    if (size == 0) return 0;
  }
  for (const int64_t size : shape) {
    if (bytes > std::numeric_limits<int64_t>::max() / size) return std::nullopt;
    bytes *= size;
  }
  return bytes;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t size : shape) absl::StrAppend(&text, text.size() > 1 ? "," : "", size);
  return text + "]";
}

// Tensors must fill the data part in order, without holes or overlaps.
absl::Status CheckLayout(std::vector<HeaderTensor>* tensors, int64_t data_bytes, const std::string& path) {
  const auto invalid = [&](const HeaderTensor& tensor, auto... message) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": tensor ", tensor.name, ": ", message...));
  };
  std::sort(tensors->begin(), tensors->end(), [](const HeaderTensor& a, const HeaderTensor& b) {
    return std::pair(a.begin, a.end) <
           std::pair(b.begin, b.end);  // an empty tensor shares its begin with its neighbour and comes first
  });
  int64_t end_before = 0;
  for (const HeaderTensor& tensor : *tensors) {
    const int64_t begin = tensor.begin;
    const int64_t end = tensor.end;
    if (begin > end) return invalid(tensor, "data_offsets [", begin, ",", end, "] run backwards");
    if (end > data_bytes) {
      return invalid(tensor, "data_offsets [", begin, ",", end, "] leave the file, which has ", data_bytes,
                     " bytes of data; is it truncated?");
    }
    const std::optional<int64_t> bytes = TensorBytes(*tensor.dtype, *tensor.shape);
    if (!bytes || *bytes != end - begin) {
      return invalid(tensor, "shape ", ShapeText(*tensor.shape), " of ", std::string(DTypeName(*tensor.dtype)),
                     " needs ", bytes ? absl::StrCat(*bytes) : "more than 2^63", " bytes, but data_offsets give ",
                     end - begin);
    }
    if (begin < end_before) return invalid(tensor, "overlaps the tensor before it");
    if (begin > end_before) return invalid(tensor, "leaves a hole of ", begin - end_before, " bytes before it");
    end_before = end;
  }
  if (end_before != data_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", data_bytes - end_before, " bytes after the last tensor belong to none"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SafetensorsContents> ParseSafetensors(std::string_view file, const std::string& path) {
  constexpr size_t kLengthBytes = 8;
  if (file.size() < kLengthBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", file.size(), " bytes; too short for safetensors"));
  }
  uint64_t header_bytes = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) header_bytes |= uint64_t{static_cast<uint8_t>(file[i])} << (8 * i);
  if (header_bytes > static_cast<uint64_t>(kMaxSafetensorsHeaderBytes)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": header of ", header_bytes, " bytes; at most ",
                                                   kMaxSafetensorsHeaderBytes,
                                                   " are read. Is this a safetensors file?"));
  }
  if (header_bytes > file.size() - kLengthBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": header of ", header_bytes, " bytes in a file of ",
                                                   file.size(), "; the file is truncated"));
  }
  const std::string_view header = file.substr(kLengthBytes, header_bytes);
  const std::string_view data = file.substr(kLengthBytes + header_bytes);

  HeaderHandler handler;
  const bool parsed = nlohmann::json::sax_parse(header, &handler);
  if (!parsed || !handler.error.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": ", handler.error));
  if (absl::Status status = CheckLayout(&handler.tensors, static_cast<int64_t>(data.size()), path); !status.ok()) {
    return status;
  }

  SafetensorsContents contents;
  contents.metadata = std::move(handler.metadata);
  for (HeaderTensor& tensor : handler.tensors) {
    TensorEntry entry;
    entry.dtype = *tensor.dtype;
    entry.shape = *std::move(tensor.shape);
    entry.data = reinterpret_cast<const uint8_t*>(data.data()) + tensor.begin;
    entry.bytes = tensor.end - tensor.begin;
    contents.tensors.emplace(std::move(tensor.name), std::move(entry));
  }
  return contents;
}

}  // namespace videodiffcr
