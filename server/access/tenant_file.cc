#include "server/access/tenant_file.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "openssl/crypto.h"
#include "system/bounded_json.h"
#include "system/regular_file.h"
#include "system/whole_file.h"

namespace videodiffcr {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxNameBytes = 63;
constexpr int64_t kMaxFileBytes = int64_t{16} << 20;
constexpr int kMaxDepth = 8;
constexpr int64_t kMaxLimit = 1'000'000'000;

template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

absl::Status CheckFields(const Json& object, const std::string& where, std::initializer_list<const char*> known) {
  if (!object.is_object()) return Wrong(where, " must be an object");
  for (const auto& [name, value] : object.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) return Wrong(where, " has an unknown field ", name);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> TextOf(const Json& object, const std::string& where, const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || !found->is_string()) return Wrong(where, ".", field, " must be a string");
  return found->get<std::string>();
}

// `bytes` of them, written as hexadecimal digits.
absl::StatusOr<std::string> BytesOf(const Json& object, const std::string& where, const char* field, size_t bytes) {
  const absl::StatusOr<std::string> text = TextOf(object, where, field);
  if (!text.ok()) return text.status();
  const bool digits = std::all_of(text->begin(), text->end(), [](unsigned char c) { return absl::ascii_isxdigit(c); });
  if (text->size() != 2 * bytes || !digits)
    return Wrong(where, ".", field, " must be ", 2 * bytes, " hexadecimal digits");
  std::string read(bytes, '\0');
  size_t count = 0;
  OPENSSL_hexstr2buf_ex(reinterpret_cast<unsigned char*>(read.data()), read.size(), &count, text->c_str(), '\0');
  return read;
}

absl::Status ReadLimit(const Json& object, const std::string& where, const char* field, std::optional<int64_t>* out) {
  const auto found = object.find(field);
  if (found == object.end()) return absl::OkStatus();
  if (!found->is_number_integer() || *found < 0 || *found > kMaxLimit) {
    return Wrong(where, ".", field, " must be a whole number from 0 to ", kMaxLimit);
  }
  *out = found->get<int64_t>();
  return absl::OkStatus();
}

absl::Status ReadLimits(const Json& object, const std::string& where, TenantLimits* limits) {
  for (const absl::Status& status : {ReadLimit(object, where, "max_sessions", &limits->max_sessions),
                                     ReadLimit(object, where, "max_waiting_sessions", &limits->max_waiting_sessions),
                                     ReadLimit(object, where, "chunks_per_minute", &limits->chunks_per_minute)}) {
    if (!status.ok()) return status;
  }
  const auto floor = object.find("floor");
  if (floor == object.end()) return absl::OkStatus();
  if (!floor->is_number() || *floor < 0.1 || *floor > 1.0) return Wrong(where, ".floor must be a number from 0.1 to 1");
  limits->floor = floor->get<double>();
  return absl::OkStatus();
}

absl::StatusOr<StoredToken> ReadToken(const Json& object, const std::string& where) {
  if (absl::Status status = CheckFields(object, where, {"id", "added", "salt", "hash"}); !status.ok()) return status;
  const absl::StatusOr<std::string> id = TextOf(object, where, "id");
  const absl::StatusOr<std::string> added = TextOf(object, where, "added");
  const absl::StatusOr<std::string> salt = BytesOf(object, where, "salt", kSaltBytes);
  const absl::StatusOr<std::string> hash = BytesOf(object, where, "hash", kHashBytes);
  for (const auto* part : {&id, &added, &salt, &hash}) {
    if (!part->ok()) return part->status();
  }
  return StoredToken{*id, *added, *salt, *hash};
}

absl::StatusOr<TenantEntry> ReadTenant(const Json& object, const std::string& where) {
  absl::Status status = CheckFields(
      object, where, {"name", "max_sessions", "max_waiting_sessions", "chunks_per_minute", "floor", "tokens"});
  if (!status.ok()) return status;
  const absl::StatusOr<std::string> name = TextOf(object, where, "name");
  if (!name.ok()) return name.status();
  if (!IsTenantName(*name)) {
    return Wrong(where, ".name must be 1 to ", kMaxNameBytes, " letters, digits, dashes, dots and underscores");
  }
  TenantEntry tenant;
  tenant.name = *name;
  if (status = ReadLimits(object, *name, &tenant.limits); !status.ok()) return status;
  const auto tokens = object.find("tokens");
  if (tokens == object.end() || !tokens->is_array()) return Wrong(*name, ".tokens must be a list");
  for (const Json& each : *tokens) {
    absl::StatusOr<StoredToken> token = ReadToken(each, absl::StrCat(*name, ".tokens[", tenant.tokens.size(), "]"));
    if (!token.ok()) return token.status();
    tenant.tokens.push_back(*std::move(token));
  }
  return tenant;
}

Json ToJson(const TenantEntry& tenant) {
  Json object = {{"name", tenant.name}};
  const TenantLimits& limits = tenant.limits;
  if (limits.max_sessions.has_value()) object["max_sessions"] = *limits.max_sessions;
  if (limits.max_waiting_sessions.has_value()) object["max_waiting_sessions"] = *limits.max_waiting_sessions;
  if (limits.chunks_per_minute.has_value()) object["chunks_per_minute"] = *limits.chunks_per_minute;
  if (limits.floor.has_value()) object["floor"] = *limits.floor;
  object["tokens"] = Json::array();
  for (const StoredToken& token : tenant.tokens) {
    object["tokens"].push_back({{"id", token.id},
                                {"added", token.added},
                                {"salt", absl::BytesToHexString(token.salt)},
                                {"hash", absl::BytesToHexString(token.hash)}});
  }
  return object;
}

}  // namespace

bool IsTenantName(absl::string_view name) {
  const auto allowed = [](unsigned char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.'; };
  return !name.empty() && name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), allowed);
}

absl::StatusOr<TenantFile> ParseTenants(const std::string& text) {
  const absl::StatusOr<Json> parsed = ParseBoundedJson(text, kMaxDepth);
  // The parser's own words quote what it read.
  if (!parsed.ok())
    return Wrong(absl::StrCat("it is no JSON, or has a key twice, or is more than ", kMaxDepth, " deep"));
  const Json& document = *parsed;
  if (absl::Status status = CheckFields(document, "it", {"tenants"}); !status.ok()) return status;
  const auto list = document.find("tenants");
  if (list == document.end() || !list->is_array()) return Wrong("tenants must be a list");
  TenantFile tenants;
  std::set<std::string> names, ids;
  for (const Json& each : *list) {
    absl::StatusOr<TenantEntry> tenant = ReadTenant(each, absl::StrCat("tenants[", tenants.size(), "]"));
    if (!tenant.ok()) return tenant.status();
    if (!names.insert(tenant->name).second) return Wrong("tenant ", tenant->name, " is there twice");
    for (const StoredToken& token : tenant->tokens) {
      if (!ids.insert(token.id).second) return Wrong("token ", token.id, " of ", tenant->name, " is there twice");
    }
    tenants.push_back(*std::move(tenant));
  }
  return tenants;
}

std::string FormatTenants(const TenantFile& tenants) {
  Json document = {{"tenants", Json::array()}};
  for (const TenantEntry& tenant : tenants) document["tenants"].push_back(ToJson(tenant));
  return document.dump(2) + "\n";
}

absl::StatusOr<TenantFile> ReadTenants(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMaxFileBytes);
  if (!text.ok()) return text.status();
  absl::StatusOr<TenantFile> tenants = ParseTenants(*text);
  if (!tenants.ok()) return Wrong(path, ": ", tenants.status().message());
  return tenants;
}

absl::Status WriteTenants(const std::string& path, const TenantFile& tenants) {
  return WriteSecretFile(path, FormatTenants(tenants));
}

}  // namespace videodiffcr
