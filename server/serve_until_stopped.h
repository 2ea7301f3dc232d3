// What the process does once it serves: nothing, until it is told to stop or has lost its model.
#ifndef VIDEODIFFCR_SERVER_SERVE_UNTIL_STOPPED_H_
#define VIDEODIFFCR_SERVER_SERVE_UNTIL_STOPPED_H_

#include <signal.h>

#include <functional>

#include "absl/status/status.h"
#include "server/server.h"

namespace videodiffcr {

// Waits for one of `stop_signals`, which all threads of the process have blocked, or for the loss of the model, then
// drains. `before_drain` is called first. A second signal ends the process at once: it is for a person who will not
// wait. OK after a signal; Internal with the model's words when it was lost. Call it from the thread that made
// `server`, after Load().
absl::Status ServeUntilStopped(Server* server, const sigset_t& stop_signals, const std::function<void()>& before_drain);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SERVE_UNTIL_STOPPED_H_
