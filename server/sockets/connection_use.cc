#include "server/sockets/connection_use.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"

namespace videodiffcr {

ConnectionUses::Call::Call(ConnectionUses* uses, const std::string& connection, bool matters)
    : uses_(uses), matters_(matters) {
  MutexLock lock(&uses_->mutex_);
  const auto named = uses_->by_name_.find(connection);
  if (named == uses_->by_name_.end()) return;
  connection_ = named->second;
  ConnectionUse* const use = uses_->Find(connection_);
  ++use->news;
  if (!matters_) return;
  ++use->calls;
  ++use->silent_calls;
}

void ConnectionUses::Call::NoteMessage() {
  const bool first = std::exchange(silent_, false);
  MutexLock lock(&uses_->mutex_);
  ConnectionUse* const use = uses_->Find(connection_);
  if (use == nullptr) return;
  ++use->news;
  if (matters_ && first) --use->silent_calls;
}

ConnectionUses::Call::~Call() {
  MutexLock lock(&uses_->mutex_);
  ConnectionUse* const use = uses_->Find(connection_);
  if (use == nullptr || !matters_) return;
  --use->calls;
  use->idle_since = uses_->next_number_++;
  if (!silent_) return;
  --use->silent_calls;
  ++use->news;  // what has come of its message will not be heard of any more
}

int64_t ConnectionUses::Add(const std::string& connection) {
  MutexLock lock(&mutex_);
  const int64_t number = next_number_++;
  ConnectionUse use;
  use.idle_since = number;
  const auto added = connections_.emplace(number, Entry{connection, use}).first;
  // Both or neither: nobody would know the number of one that is not named.
  absl::Cleanup take_back = [&, place = added]() ABSL_NO_THREAD_SAFETY_ANALYSIS { connections_.erase(place); };
  by_name_[connection] = number;
  std::move(take_back).Cancel();
  return number;
}

void ConnectionUses::Remove(int64_t number) {
  MutexLock lock(&mutex_);
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  const auto named = by_name_.find(found->second.name);
  if (named != by_name_.end() && named->second == number) by_name_.erase(named);
  connections_.erase(found);
}

ConnectionUse ConnectionUses::Of(int64_t number) {
  MutexLock lock(&mutex_);
  const ConnectionUse* const use = Find(number);
  return use == nullptr ? ConnectionUse() : *use;
}

ConnectionUse* ConnectionUses::Find(int64_t number) {
  const auto found = connections_.find(number);
  return found == connections_.end() ? nullptr : &found->second.use;
}

}  // namespace videodiffcr
