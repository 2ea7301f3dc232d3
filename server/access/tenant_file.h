// The file of tenants and their tokens: JSON, written by `videodiffcr-server tokens`, fit to be edited by hand.
//
//   {"tenants": [{"name": "acme", "max_sessions": 4, "max_waiting_sessions": 2, "chunks_per_minute": 600, "floor": 0.8,
//                 "tokens": [{"id": "1f2e3d4c", "added": "2026-11-27", "salt": "<hex>", "hash": "<hex>"}]}]}
//
// A limit that is not there does not bind.
#ifndef VIDEODIFFCR_SERVER_ACCESS_TENANT_FILE_H_
#define VIDEODIFFCR_SERVER_ACCESS_TENANT_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/access/token.h"

namespace videodiffcr {

struct TenantLimits {
  std::optional<int64_t> max_sessions;          // at once, those that wait among them
  std::optional<int64_t> max_waiting_sessions;  // that wait for a place
  std::optional<int64_t> chunks_per_minute;     // of all its sessions together; as many at once
  std::optional<double> floor;                  // budget below which the server never takes its sessions, 0.1 to 1
};

struct TenantEntry {
  std::string name;
  TenantLimits limits;
  std::vector<StoredToken> tokens;
};

using TenantFile = std::vector<TenantEntry>;

// 1 to 63 letters, digits, dashes, dots and underscores: fit for a log line and a label.
bool IsTenantName(absl::string_view name);

// InvalidArgument names the tenant and the field. No message holds a salt or a hash.
absl::StatusOr<TenantFile> ParseTenants(const std::string& text);
std::string FormatTenants(const TenantFile& tenants);

// The path comes first in every message. NotFound when there is no such file.
absl::StatusOr<TenantFile> ReadTenants(const std::string& path);
// Under another name first, so that nobody reads half of it: whatever fails, the older file stays. Through a link the
// file that it leads to is replaced. A new file may be read by its owner and its group.
absl::Status WriteTenants(const std::string& path, const TenantFile& tenants);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ACCESS_TENANT_FILE_H_
