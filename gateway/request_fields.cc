#include "gateway/request_fields.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gateway/error_response.h"
#include "proto/status_details.h"
#include "system/bounded_json.h"

namespace videodiffcr {
namespace {

constexpr size_t kMaxQuotedBytes = 100;
constexpr int kMaxDepth = 16;

std::string Quoted(const nlohmann::json& value) { return JsonText(value).substr(0, kMaxQuotedBytes); }

}  // namespace

RequestFields::RequestFields(nlohmann::json object, std::string name)
    : object_(std::move(object)), name_(std::move(name)) {
  if (object_.is_null()) object_ = nlohmann::json::object();
  if (!object_.is_object()) Fail("", "must be a JSON object");
}

absl::StatusOr<RequestFields> RequestFields::Parse(const std::string& body) {
  if (body.empty()) return RequestFields(nlohmann::json::object(), "");
  absl::StatusOr<nlohmann::json> parsed = ParseBoundedJson(body, kMaxDepth);
  if (!parsed.ok() || !parsed->is_object()) {
    return GatewayError(absl::StatusCode::kInvalidArgument, "MALFORMED_JSON",
                        absl::StrCat("the body must be one JSON object, in UTF-8, without a key twice and at most ",
                                     kMaxDepth, " deep"));
  }
  return RequestFields(*std::move(parsed), "");
}

const nlohmann::json* RequestFields::Find(const std::string& field) {
  known_.insert(field);
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(field);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool RequestFields::Has(const std::string& field) const {
  return object_.is_object() && object_.contains(field) && !object_[field].is_null();
}

void RequestFields::Read(const std::string& field, std::string* out) {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return;
  if (!value->is_string()) return Fail(field, "must be a string");
  *out = value->get<std::string>();
}

void RequestFields::Read(const std::string& field, double min, double max, double* out) {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return;
  const double number = value->is_number() ? value->get<double>() : min - 1;
  if (!(number >= min && number <= max)) return Fail(field, absl::StrCat("must be a number from ", min, " to ", max));
  *out = number;
}

void RequestFields::Read(const std::string& field, int64_t min, int64_t max, int64_t* out) {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return;
  const bool is_whole =
      value->is_number_integer() && !(value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX);
  const int64_t number = is_whole ? value->get<int64_t>() : 0;
  if (!is_whole || number < min || number > max) {
    return Fail(field, absl::StrCat("must be a whole number from ", min, " to ", max));
  }
  *out = number;
}

void RequestFields::Read(const std::string& field, bool* out) {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return;
  if (!value->is_boolean()) return Fail(field, "must be true or false");
  *out = value->get<bool>();
}

void RequestFields::ReadSeed(const std::string& field, uint64_t* out) {
  const nlohmann::json* value = Find(field);
  if (value == nullptr) return;
  if (value->is_number_unsigned()) {
    *out = value->get<uint64_t>();
  } else if (!value->is_string() || !absl::SimpleAtoi(value->get<std::string>(), out)) {
    Fail(field, "must be a whole number from 0 to 18446744073709551615, as a number or as a string of its digits");
  }
}

nlohmann::json RequestFields::Take(const std::string& field) {
  const nlohmann::json* value = Find(field);
  return value == nullptr ? nlohmann::json() : *value;
}

void RequestFields::Fail(const std::string& field, const std::string& must) {
  if (!first_error_.ok()) return;
  const std::string full =
      name_.empty() || field.empty() ? absl::StrCat(name_, field) : absl::StrCat(name_, ".", field);
  const nlohmann::json value = field.empty() || !Has(field) ? nlohmann::json() : object_[field];
  const std::string has = value.is_null() ? "" : absl::StrCat(" is ", Quoted(value), "; it");
  first_error_ = GatewayError(absl::StatusCode::kInvalidArgument, error_reason::kUnsupportedValue,
                              absl::StrCat(full, has, " ", must), full);
}

absl::Status RequestFields::Finish() {
  if (first_error_.ok() && object_.is_object()) {
    for (const auto& [field, value] : object_.items()) {
      if (known_.count(field) > 0) continue;
      const std::string quoted = Quoted(field);
      return GatewayError(absl::StatusCode::kInvalidArgument, "UNKNOWN_FIELD",
                          absl::StrCat("there is no field ", quoted), field.substr(0, kMaxQuotedBytes));
    }
  }
  return first_error_;
}

}  // namespace videodiffcr
