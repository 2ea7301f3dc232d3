#include "server/rpc/first_message_room.h"

#include <algorithm>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"

namespace videodiffcr {

FirstMessageRoom::Place FirstMessageRoom::Enter(const std::string& connection, std::function<void()> crowd_out) {
  Place place;
  std::function<void()> leaves;
  {
    MutexLock lock(&mutex_);
    if (streams_.size() >= places_) leaves = Remove(OldestOfTheMost());
    const auto of_connection = by_connection_.try_emplace(connection, 0).first;
    // Unless it is counted below: there may be no memory for the stream.
    const absl::Cleanup forget = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      if (of_connection->second == 0) by_connection_.erase(of_connection);
    };
    streams_.emplace(next_, Stream{connection, std::move(crowd_out)});
    ++of_connection->second;
    place = Place(this, next_++);
  }
  if (leaves) leaves();
  return place;
}

void FirstMessageRoom::Leave(int64_t stream) {
  MutexLock lock(&mutex_);
  const auto found = streams_.find(stream);
  if (found != streams_.end()) Remove(found);  // otherwise it was crowded out
}

std::map<int64_t, FirstMessageRoom::Stream>::iterator FirstMessageRoom::OldestOfTheMost() {
  const auto most = std::max_element(by_connection_.begin(), by_connection_.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return std::find_if(streams_.begin(), streams_.end(),
                      [&](const auto& stream) { return stream.second.connection == most->first; });
}

std::function<void()> FirstMessageRoom::Remove(std::map<int64_t, Stream>::iterator stream) {
  const auto connection = by_connection_.find(stream->second.connection);
  if (--connection->second == 0) by_connection_.erase(connection);
  std::function<void()> crowd_out = std::move(stream->second.crowd_out);
  streams_.erase(stream);
  return crowd_out;
}

}  // namespace videodiffcr
