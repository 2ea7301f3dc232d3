// A JSON object from outside, read field by field.
#ifndef VIDEODIFFCR_GATEWAY_REQUEST_FIELDS_H_
#define VIDEODIFFCR_GATEWAY_REQUEST_FIELDS_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace videodiffcr {

// Each reader leaves *out alone when the field is not there or null. The first thing that is wrong, a field that nobody
// asked for included, is what Finish() says: InvalidArgument naming the field and its value.
class RequestFields {
 public:
  // `name` of the object, for its fields' names in errors ("changes[2]"); empty for the outermost.
  RequestFields(nlohmann::json object, std::string name);

  // An empty body is an object without fields. InvalidArgument when `body` is no JSON object.
  static absl::StatusOr<RequestFields> Parse(const std::string& body);

  void Read(const std::string& field, std::string* out);
  void Read(const std::string& field, double min, double max, double* out);
  void Read(const std::string& field, int64_t min, int64_t max, int64_t* out);
  void Read(const std::string& field, bool* out);
  // A number or, since JavaScript's numbers end at 2^53, its digits as a string.
  void ReadSeed(const std::string& field, uint64_t* out);
  // The value as it is; null when it is not there.
  nlohmann::json Take(const std::string& field);
  bool Has(const std::string& field) const;

  void Fail(const std::string& field, const std::string& must);
  absl::Status Finish();

 private:
  const nlohmann::json* Find(const std::string& field);

  nlohmann::json object_;
  const std::string name_;
  std::set<std::string> known_;
  absl::Status first_error_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_REQUEST_FIELDS_H_
