#include "scheduler/snapshot.h"

#include <algorithm>

namespace videodiffcr {

int Snapshot::admitted_sessions() const {
  return static_cast<int>(
      std::count_if(sessions.begin(), sessions.end(), [](const SessionView& session) { return session.admitted; }));
}

int Snapshot::waiting_sessions() const {
  return static_cast<int>(std::count_if(sessions.begin(), sessions.end(), [](const SessionView& session) {
    return session.state == SessionState::kWaiting && !session.ending;
  }));
}

}  // namespace videodiffcr
