// Who calls, by the token that the call carries.
#ifndef VIDEODIFFCR_SERVER_ACCESS_ACCESS_CONTROL_H_
#define VIDEODIFFCR_SERVER_ACCESS_ACCESS_CONTROL_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/access/files_in_use.h"
#include "server/access/tenant.h"
#include "server/access/tenant_file.h"
#include "threading/mutex.h"

namespace videodiffcr {

// Thread-safe.
class AccessControl {
 public:
  // Reads the tenants' file (tenant_file.h), whose errors these are.
  static absl::StatusOr<std::unique_ptr<AccessControl>> Create(const std::string& path);

  // `authorization` is the header's value, "Bearer <token>". Unauthenticated, always with the same words and after the
  // same work: whether a token is missing, malformed, unknown or wrong is nobody's business.
  absl::StatusOr<std::shared_ptr<Tenant>> Authenticate(absl::string_view authorization) const;

  // Reads the file again if it is not the one in use. A file that is wrong or gone changes nothing, and the error says
  // what it is, once for as long as that is the same; it is tried again each time, since a token that was taken back
  // must not stay good for want of a descriptor at the wrong moment. Sessions of a tenant or token that is gone go on.
  absl::Status ReloadIfChanged();

 private:
  struct Key {
    StoredToken token;
    std::shared_ptr<Tenant> tenant;
  };
  using Keys = absl::flat_hash_map<std::string, Key>;  // by the token's id

  AccessControl(std::string path, StoredToken decoy)
      : path_(std::move(path)), decoy_{std::move(decoy), nullptr}, files_({path_}) {}
  void Adopt(const TenantFile& file);

  const std::string path_;
  const Key decoy_;  // what a token without a match is compared with
  FilesInUse files_;
  mutable Mutex mutex_;
  std::shared_ptr<const Keys> keys_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::shared_ptr<Tenant>> tenants_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_ACCESS_ACCESS_CONTROL_H_
