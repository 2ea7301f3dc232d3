#include "model/config/json_fields.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

namespace videodiffcr {

namespace {

using nlohmann::json;

constexpr size_t kMostBytesQuoted = 64;

// What stands in place of what was wanted, as it is written; of what has parts, the kind.
std::string Seen(const json& value) {
  if (value.is_structured()) return absl::StrCat("an ", value.type_name());
  const std::string written = value.dump(/*indent=*/-1, /*indent_char=*/' ', /*ensure_ascii=*/true);
  return written.size() <= kMostBytesQuoted ? written : absl::StrCat(written.substr(0, kMostBytesQuoted), "...");
}

bool ReadScalar(const json& value, int64_t* out) {
  if (value.is_number_unsigned() &&
      value.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return false;
  }
  if (!value.is_number_integer()) return false;
  *out = value.get<int64_t>();
  return true;
}

bool ReadScalar(const json& value, int* out) {
  int64_t wide = 0;
  if (!ReadScalar(value, &wide)) return false;
  if (wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max()) return false;
  *out = static_cast<int>(wide);
  return true;
}

bool ReadScalar(const json& value, double* out) {
  if (!value.is_number()) return false;
  *out = value.get<double>();
  return true;
}

bool ReadScalar(const json& value, std::string* out) {
  if (!value.is_string()) return false;
  *out = value.get<std::string>();
  return true;
}

const char* Wanted(const int64_t*) { return "an integer of 64 bits"; }
const char* Wanted(const int*) { return "an integer of 32 bits"; }
const char* Wanted(const double*) { return "a number"; }
const char* Wanted(const std::string*) { return "a string"; }

template <typename T>
void ReadOne(const json& found, const char* key, T* value, JsonFields* fields) {
  if (!ReadScalar(found, value)) fields->Fail(key, absl::StrCat("is ", Seen(found), "; must be ", Wanted(value)));
}

template <typename T>
void ReadMany(const json& found, const char* key, std::vector<T>* values, JsonFields* fields) {
  if (!found.is_array()) return fields->Fail(key, absl::StrCat("is ", Seen(found), "; must be an array"));
  std::vector<T> read;
  for (const json& element : found) {
    T value{};
    if (!ReadScalar(element, &value)) {
      return fields->Fail(absl::StrCat(key, "[", read.size(), "]"),
                          absl::StrCat("is ", Seen(element), "; must be ", Wanted(&value)));
    }
    read.push_back(std::move(value));
  }
  *values = std::move(read);
}

}  // namespace

JsonFields::JsonFields(const json& object, std::string path) : object_(object), path_(std::move(path)) {
  if (!object_.is_object()) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat(path_.empty() ? "the text" : path_, ": is ", Seen(object_), "; must be an object"));
  }
}

bool JsonFields::Has(const char* key) const { return object_.is_object() && object_.contains(key); }

std::string JsonFields::PathOf(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }

void JsonFields::Fail(const std::string& key, const std::string& message) {
  Merge(absl::InvalidArgumentError(absl::StrCat(PathOf(key), ": ", message)));
}

void JsonFields::Merge(const absl::Status& status) { status_.Update(status); }

const json* JsonFields::Find(const char* key, Presence presence) {
  asked_.insert(key);
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(key);
  if (found == object_.end()) {
    if (presence == Presence::kRequired) Fail(key, "is missing");
    return nullptr;
  }
  return &*found;
}

void JsonFields::Read(const char* key, int64_t* value, Presence presence) {
  if (const json* found = Find(key, presence)) ReadOne(*found, key, value, this);
}
void JsonFields::Read(const char* key, int* value, Presence presence) {
  if (const json* found = Find(key, presence)) ReadOne(*found, key, value, this);
}
void JsonFields::Read(const char* key, double* value, Presence presence) {
  if (const json* found = Find(key, presence)) ReadOne(*found, key, value, this);
}
void JsonFields::Read(const char* key, std::string* value, Presence presence) {
  if (const json* found = Find(key, presence)) ReadOne(*found, key, value, this);
}
void JsonFields::Read(const char* key, std::vector<int64_t>* value, Presence presence) {
  if (const json* found = Find(key, presence)) ReadMany(*found, key, value, this);
}
void JsonFields::Read(const char* key, std::vector<int>* value, Presence presence) {
  if (const json* found = Find(key, presence)) ReadMany(*found, key, value, this);
}
void JsonFields::Read(const char* key, std::vector<double>* value, Presence presence) {
  if (const json* found = Find(key, presence)) ReadMany(*found, key, value, this);
}
void JsonFields::Read(const char* key, std::vector<std::string>* value, Presence presence) {
  if (const json* found = Find(key, presence)) ReadMany(*found, key, value, this);
}

void JsonFields::Read(const char* key, std::vector<std::vector<int>>* value, Presence presence) {
  const json* found = Find(key, presence);
  if (found == nullptr) return;
  if (!found->is_array()) return Fail(key, absl::StrCat("is ", Seen(*found), "; must be an array"));
  std::vector<std::vector<int>> rows;
  for (const json& element : *found) {
    const std::string place = absl::StrCat(key, "[", rows.size(), "]");
    std::vector<int>& row = rows.emplace_back();
    if (element.is_array()) {
      ReadMany(element, place.c_str(), &row, this);
    } else {
      ReadOne(element, place.c_str(), &row.emplace_back(), this);
    }
  }
  *value = std::move(rows);
}

const json* JsonFields::ReadObject(const char* key, Presence presence) {
  const json* found = Find(key, presence);
  if (found == nullptr) return nullptr;
  if (!found->is_object()) {
    Fail(key, absl::StrCat("is ", Seen(*found), "; must be an object"));
    return nullptr;
  }
  return found;
}

absl::Status JsonFields::Finish() const {
  if (!status_.ok()) return status_;
  for (const auto& item : object_.items()) {
    if (asked_.count(item.key()) == 0) {
      return absl::InvalidArgumentError(absl::StrCat(PathOf(item.key().substr(0, 64)), ": unknown key"));
    }
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
