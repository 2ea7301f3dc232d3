// Reads the fields of one JSON object and remembers the first thing that is wrong, with the path of its key.
#ifndef VIDEODIFFCR_MODEL_CONFIG_JSON_FIELDS_H_
#define VIDEODIFFCR_MODEL_CONFIG_JSON_FIELDS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {

// Of the files of a model folder.
inline constexpr int kMaxConfigDepth = 8;

// What a key that is not there means.
enum class Presence { kRequired, kOptional };

// Values keep what they had when their key is missing or wrong. Call Finish() after the last Read.
class JsonFields {
 public:
  // `object` must outlive this. `path` is "" at the top.
  JsonFields(const nlohmann::json& object, std::string path);

  void Read(const char* key, int64_t* value, Presence presence = Presence::kRequired);
  void Read(const char* key, int* value, Presence presence = Presence::kRequired);
  void Read(const char* key, double* value, Presence presence = Presence::kRequired);
  void Read(const char* key, std::string* value, Presence presence = Presence::kRequired);
  void Read(const char* key, std::vector<int64_t>* value, Presence presence = Presence::kRequired);
  void Read(const char* key, std::vector<int>* value, Presence presence = Presence::kRequired);
  void Read(const char* key, std::vector<double>* value, Presence presence = Presence::kRequired);
  void Read(const char* key, std::vector<std::string>* value, Presence presence = Presence::kRequired);

  // Rows of numbers; a number in place of a row is a row of one.
  void Read(const char* key, std::vector<std::vector<int>>* value, Presence presence = Presence::kRequired);

  // One of a few names; an unknown one is an error that lists them.
  template <typename Enum>
  void ReadEnum(const char* key, const std::vector<std::pair<Enum, const char*>>& names, Enum* value,
                Presence presence = Presence::kRequired) {
    std::string text;
    const bool present = Has(key);
    Read(key, &text, presence);
    if (!present || !status_.ok()) return;
    std::string allowed;
    for (const auto& [candidate, name] : names) {
      if (text == name) {
        *value = candidate;
        return;
      }
      absl::StrAppend(&allowed, allowed.empty() ? "" : ", ", name);
    }
    Fail(key, absl::StrCat("\"", text.substr(0, 64), "\"; must be one of: ", allowed));
  }

  // The object under `key`, or null after recording that it is missing or not an object.
  const nlohmann::json* ReadObject(const char* key, Presence presence = Presence::kRequired);

  bool Has(const char* key) const;
  std::string PathOf(const std::string& key) const;
  void Fail(const std::string& key, const std::string& message);
  // Takes over an error of a part.
  void Merge(const absl::Status& status);

  // The first error, or else the first key that no Read asked for.
  absl::Status Finish() const;
  // The first error; keys that nobody asked for are passed over.
  absl::Status FinishIgnoringUnknownKeys() const { return status_; }

 private:
  const nlohmann::json* Find(const char* key, Presence presence);

  const nlohmann::json& object_;
  const std::string path_;
  std::set<std::string> asked_;
  absl::Status status_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_JSON_FIELDS_H_
