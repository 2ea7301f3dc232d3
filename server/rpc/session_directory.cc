#include "server/rpc/session_directory.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"

namespace videodiffcr {

SessionDirectory::SessionDirectory(absl::Duration grace, int64_t max_waiting_bytes, Clock* clock)
    : grace_(grace), max_waiting_bytes_(max_waiting_bytes), clock_(clock), thread_([this] { Run(); }) {}

SessionDirectory::~SessionDirectory() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

std::shared_ptr<DirectoryEntry> SessionDirectory::Add(const std::shared_ptr<DirectoryEntry>& session) {
  MutexLock lock(&mutex_);
  if (!session->request_id().empty()) {
    const auto found = name_of_request_.find(session->request_id());
    if (found != name_of_request_.end()) return by_name_.at(found->second);
  }
  const auto named = by_name_.emplace(session->name(), session).first;
  // Both or neither: an id without its session would be in use for ever.
  absl::Cleanup take_back = [&, place = named]() ABSL_NO_THREAD_SAFETY_ANALYSIS { by_name_.erase(place); };
  if (!session->request_id().empty()) name_of_request_.emplace(session->request_id(), session->name());
  std::move(take_back).Cancel();
  return nullptr;
}

std::shared_ptr<DirectoryEntry> SessionDirectory::Find(const std::string& name) {
  MutexLock lock(&mutex_);
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

void SessionDirectory::Wait(const DirectoryEntry& session, int64_t turn, int64_t bytes) {
  std::list<Waiting> crowded_out;
  {
    MutexLock lock(&mutex_);
    const auto found = by_name_.find(session.name());
    if (found == by_name_.end()) return;  // it has ended meanwhile
    waiting_.push_back({found->second, turn, clock_->Now() + grace_, bytes});
    waiting_bytes_ += bytes;
    for (auto next = waiting_.begin(); waiting_bytes_ > max_waiting_bytes_ && next != waiting_.end();) {
      const auto crowded = next++;
      if (crowded->bytes == 0) continue;
      waiting_bytes_ -= crowded->bytes;
      crowded_out.splice(crowded_out.end(), waiting_, crowded);
    }
    changed_.NotifyAll();
  }
  for (const Waiting& crowded : crowded_out) crowded.session->OnGraceOver(crowded.turn);
}

void SessionDirectory::EndWait(const DirectoryEntry& session) {
  MutexLock lock(&mutex_);
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    const auto one = next++;
    if (one->session.get() != &session) continue;
    waiting_bytes_ -= one->bytes;
    waiting_.erase(one);
  }
}

void SessionDirectory::Remove(const DirectoryEntry& session) {
  MutexLock lock(&mutex_);
  const auto found = by_name_.find(session.name());
  if (found == by_name_.end() || found->second.get() != &session) return;
  if (!session.request_id().empty()) name_of_request_.erase(session.request_id());
  by_name_.erase(found);
}

SessionDirectory::Waiting SessionDirectory::NextThatIsOver() {
  MutexLock lock(&mutex_);
  while (!stopping_) {
    const absl::Time next = waiting_.empty() ? absl::InfiniteFuture() : waiting_.front().until;
    if (next > clock_->Now()) {
      clock_->WaitUntil(next, &changed_, &mutex_);
      continue;
    }
    Waiting over = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= over.bytes;
    return over;
  }
  return {};
}

void SessionDirectory::Run() {
  for (Waiting over = NextThatIsOver(); over.session != nullptr; over = NextThatIsOver()) {
    over.session->OnGraceOver(over.turn);
  }
}

}  // namespace videodiffcr
