#include "gateway/server_pool.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/call_status.h"
#include "gateway/error_response.h"

namespace videodiffcr {

ServerPool::ServerPool(std::vector<std::string> addresses, absl::Duration connect_timeout)
    : addresses_(std::move(addresses)), connect_timeout_(connect_timeout), clients_(addresses_.size()) {}

absl::Status ServerPool::Try(const std::function<Tried(VideoClient&, const std::string&)>& attempt) {
  size_t first = 0;
  {
    MutexLock lock(&mutex_);
    first = next_++;
  }
  absl::Status last;
  for (size_t i = 0; i < addresses_.size(); ++i) {
    const size_t index = (first + i) % addresses_.size();
    const absl::StatusOr<std::shared_ptr<VideoClient>> client = Client(index);
    if (!client.ok()) {
      if (ErrorInfoOf(client.status()).has_value()) last = client.status();  // it is there, and loads its model
      continue;
    }
    const Tried tried = attempt(**client, addresses_[index]);
    // A new connection does not wait as long as one that has failed for some time.
    if (absl::IsUnavailable(tried.status)) Forget(index);
    if (tried.final) return tried.status;
    last = tried.status;
  }
  if (!last.ok()) return last;
  return GatewayError(absl::StatusCode::kUnavailable, "NO_SERVER",
                      absl::StrCat("no server answers at ", absl::StrJoin(addresses_, ", "),
                                   ": start videodiffcr-server, or name another with --server HOST:PORT"));
}

bool ServerPool::AnotherMayServe(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

absl::StatusOr<std::shared_ptr<VideoClient>> ServerPool::Client(size_t index) {
  {
    MutexLock lock(&mutex_);
    if (clients_[index] != nullptr) return clients_[index];
  }
  // A model that is being loaded is an answer, too: no wait for it here.
  absl::StatusOr<std::unique_ptr<VideoClient>> connected =
      VideoClient::Connect(addresses_[index], connect_timeout_, absl::ZeroDuration());
  if (!connected.ok()) return connected.status();
  std::shared_ptr<VideoClient> client = *std::move(connected);
  MutexLock lock(&mutex_);
  clients_[index] = client;
  return client;
}

void ServerPool::Forget(size_t index) {
  MutexLock lock(&mutex_);
  clients_[index] = nullptr;
}

}  // namespace videodiffcr
