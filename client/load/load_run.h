// A load from its first viewer to its last.
#ifndef VIDEODIFFCR_CLIENT_LOAD_LOAD_RUN_H_
#define VIDEODIFFCR_CLIENT_LOAD_LOAD_RUN_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/load/load_options.h"
#include "client/load/load_result.h"
#include "client/load/viewer.h"
#include "client/running_calls.h"

namespace videodiffcr {

// How it stands, now and then while it runs.
struct LoadProgress {
  absl::Duration elapsed;
  int64_t begun = 0;
  int64_t running = 0;
  int64_t chunks = 0;
};

// `calls` has the sessions that run; when they are cancelled the load ends with what there is. `show`: called from the
// calling thread, a few times a second. Errors: no server, a trace that cannot be read.
absl::StatusOr<std::vector<ViewerOutcome>> RunLoad(const LoadOptions& options, RunningCalls* calls,
                                                   const std::function<void(const LoadProgress&)>& show);

// Connections for so many viewers at once: one each, as real viewers have, up to 64; of more than 512 viewers eight
// share one.
int64_t ConnectionsFor(int64_t viewers);

// Viewers whose plans are given, not drawn: an open loop in which each begins at its moment.
struct PlannedViewer {
  absl::Duration begins;  // from the start
  ViewerPlan plan;
};

// In the order of `viewers`, which are in the order of their moments. All connections are there before the first
// begins. Error: no server.
absl::StatusOr<std::vector<ViewerOutcome>> RunPlans(const LoadServer& server,
                                                    const std::vector<PlannedViewer>& viewers);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_LOAD_LOAD_RUN_H_
