#include "server/access/access_control.h"

#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

constexpr absl::string_view kScheme = "Bearer ";

absl::Status Unknown() {
  return absl::UnauthenticatedError("this server wants a token that it knows: authorization: Bearer <token>");
}

}  // namespace

absl::StatusOr<std::unique_ptr<AccessControl>> AccessControl::Create(const std::string& path) {
  absl::StatusOr<NewToken> decoy = MakeToken("");
  if (!decoy.ok()) return decoy.status();
  auto control = absl::WrapUnique(new AccessControl(path, std::move(decoy->stored)));
  if (absl::Status status = control->ReloadIfChanged(); !status.ok()) return status;
  return control;
}

absl::StatusOr<std::shared_ptr<Tenant>> AccessControl::Authenticate(absl::string_view authorization) const {
  std::shared_ptr<const Keys> keys;
  {
    MutexLock lock(&mutex_);
    keys = keys_;
  }
  std::optional<TokenParts> token;
  if (absl::StartsWithIgnoreCase(authorization, kScheme)) token = SplitToken(authorization.substr(kScheme.size()));
  const auto found = token.has_value() ? keys->find(token->id) : keys->end();
  const Key& key = found == keys->end() ? decoy_ : found->second;
  const bool matches = Matches(key.token, token.has_value() ? token->secret : "no token");
  if (!matches || key.tenant == nullptr) return Unknown();
  return key.tenant;
}

absl::Status AccessControl::ReloadIfChanged() {
  return files_.ReadIfChanged([&] {
    const absl::StatusOr<TenantFile> file = ReadTenants(path_);
    if (file.ok()) Adopt(*file);
    return file.status();
  });
}

// Tenants stay the same objects, for their sessions count against them.
void AccessControl::Adopt(const TenantFile& file) {
  auto keys = std::make_shared<Keys>();
  MutexLock lock(&mutex_);
  absl::flat_hash_map<std::string, std::shared_ptr<Tenant>> tenants;
  for (const TenantEntry& entry : file) {
    const auto known = tenants_.find(entry.name);
    std::shared_ptr<Tenant> tenant =
        known == tenants_.end() ? std::make_shared<Tenant>(entry.name, entry.limits) : known->second;
    tenant->SetLimits(entry.limits);
    for (const StoredToken& token : entry.tokens) keys->emplace(token.id, Key{token, tenant});
    tenants.emplace(entry.name, std::move(tenant));
  }
  tenants_ = std::move(tenants);
  keys_ = std::move(keys);
}

}  // namespace videodiffcr
