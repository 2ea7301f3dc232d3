#include "client/load/load_run.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/load/viewer.h"
#include "client/video_client.h"
#include "system/steady_time.h"
#include "threading/mutex.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kLoadTimeout = absl::Minutes(1);
// How long who was refused waits, in the mean. Drawn for each time: viewers that came at once would ask at once for
// ever, and measure how long a dozen questions take that nobody asks together.
constexpr absl::Duration kGlance = absl::Milliseconds(200);
// A server takes 16 sessions of one connection by default, and 1,000 connections.
constexpr int64_t kOwnConnections = 64, kViewersPerConnection = 8;

absl::StatusOr<std::unique_ptr<VideoClient>> ConnectTo(const LoadServer& server) {
  return VideoClient::Connect(server.address, server.patience, kLoadTimeout, server.security);
}

struct Run {
  int64_t number = 0;  // by the order in which they began
  ViewerPlan plan;
  ViewerRun result;
};

// The viewers of one load. Begin() and Join() from one thread.
class Crowd {
 public:
  using Draw = std::function<ViewerPlan(std::mt19937_64* random)>;

  // `calls` has the viewers' sessions while they run; once those are cancelled nobody begins any more.
  Crowd(LoadServer server, uint64_t seed, RunningCalls* calls)
      : server_(std::move(server)), calls_(calls), random_(seed) {}

  RunningCalls* calls() const { return calls_; }
  absl::Time origin() const { return origin_; }
  // From now on moments count.
  void Start() { origin_ = SteadyNow(); }

  // Connections for so many viewers at once. Begin() makes those that are missing.
  absl::Status Connect(int64_t viewers) {
    while (static_cast<int64_t>(clients_.size()) < ConnectionsFor(viewers)) {
      absl::StatusOr<std::unique_ptr<VideoClient>> client = ConnectTo(server_);
      if (!client.ok()) return client.status();
      clients_.push_back(*std::move(client));
    }
    return absl::OkStatus();
  }

  // One who would have come now, had there been room.
  void CountTurnedAway(const std::string& why) {
    Run run;
    run.number = begun_;
    run.result.outcome.end = ViewerEnd::kFailed;
    run.result.outcome.error = why;
    run.result.outcome.began = SteadyNow() - origin_;
    MutexLock lock(&mutex_);
    runs_.push_back(std::move(run));
  }

  // One more viewer, who begins now; with `another_until`, followed by others until then. `draw` says what each does.
  absl::Status Begin(const Draw& draw, std::optional<absl::Duration> another_until) {
    Reap();
    if (absl::Status connected = Connect(running_ + 1); !connected.ok()) return connected;
    VideoClient* const client = clients_[next_client_++ % clients_.size()].get();
    ++running_;
    threads_.emplace_back([this, client, draw, another_until, seed = random_(), number = begun_++]() mutable {
      std::mt19937_64 random(seed);
      for (;; number = begun_++) {
        Run run;
        run.number = number;
        run.plan = draw(&random);
        run.result = RunViewer(client, run.plan, origin_, calls_, &chunks_);
        const ViewerEnd end = run.result.outcome.end;
        const bool in_vain = end == ViewerEnd::kRefused || end == ViewerEnd::kFailed;
        {
          MutexLock lock(&mutex_);
          runs_.push_back(std::move(run));
        }
        if (in_vain && another_until.has_value()) {
          calls_->Sleep(kGlance * std::uniform_real_distribution<double>(0.5, 1.5)(random));
        }
        if (!another_until.has_value() || SteadyNow() - origin_ >= *another_until || calls_->cancelled()) break;
      }
      MutexLock lock(&mutex_);
      --running_;
      done_.push_back(std::this_thread::get_id());
    });
    return absl::OkStatus();
  }

  LoadProgress progress() const { return {SteadyNow() - origin_, begun_.load(), running_.load(), chunks_.load()}; }
  int64_t running() const { return running_; }

  // All that have begun, in that order.
  std::vector<Run> Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    MutexLock lock(&mutex_);
    std::vector<Run> runs = std::exchange(runs_, {});
    std::stable_sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.number < b.number; });
    return runs;
  }

 private:
  // Joins those that are done, so that a long load does not pile up threads.
  void Reap() {
    std::vector<std::thread::id> done;
    {
      MutexLock lock(&mutex_);
      done = std::exchange(done_, {});
    }
    for (const std::thread::id id : done) {
      const auto thread =
          std::find_if(threads_.begin(), threads_.end(), [id](const std::thread& t) { return t.get_id() == id; });
      thread->join();
      threads_.erase(thread);
    }
  }

  const LoadServer server_;
  RunningCalls* const calls_;
  absl::Time origin_ = SteadyNow();
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<VideoClient>> clients_;
  size_t next_client_ = 0;
  std::vector<std::thread> threads_;
  std::atomic<int64_t> begun_ = 0, running_ = 0, chunks_ = 0;
  Mutex mutex_;
  std::vector<Run> runs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread::id> done_ ABSL_GUARDED_BY(mutex_);
};

using ShowProgress = std::function<void(const LoadProgress&)>;

// False when the load was cancelled meanwhile.
bool WaitUntil(absl::Duration at, const Crowd& crowd, const ShowProgress& show) {
  for (absl::Duration left = at - (SteadyNow() - crowd.origin()); left > absl::ZeroDuration();
       left = at - (SteadyNow() - crowd.origin())) {
    if (!crowd.calls()->Sleep(std::min(left, kGlance))) break;
    show(crowd.progress());
  }
  return !crowd.calls()->cancelled();
}

absl::Status BeginIfThereIsRoom(const LoadOptions& options, const Crowd::Draw& draw,
                                std::optional<absl::Duration> another_until, Crowd* crowd) {
  if (crowd->running() < options.max_viewers) return crowd->Begin(draw, another_until);
  crowd->CountTurnedAway("--max-viewers");
  return absl::OkStatus();
}

absl::Status RunOpenLoop(const LoadOptions& options, const std::vector<absl::Duration>& times, const Crowd::Draw& draw,
                         Crowd* crowd, const ShowProgress& show) {
  for (const absl::Duration at : times) {
    if (!WaitUntil(at, *crowd, show)) break;
    if (absl::Status status = BeginIfThereIsRoom(options, draw, std::nullopt, crowd); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Holds each run that asks for it against an uninterrupted one of the same prompt, seed and budget, as long as the
// longest of them. Once `calls` are cancelled the rest is left unverified.
absl::Status Verify(const LoadOptions& options, RunningCalls* calls, std::vector<Run>* runs) {
  std::map<std::string, std::vector<ChunkDigest>> references;
  std::unique_ptr<VideoClient> client;
  for (Run& run : *runs) {
    if (calls->cancelled()) break;
    if (!run.plan.verify || run.result.digests.empty()) continue;
    if (client == nullptr) {
      absl::StatusOr<std::unique_ptr<VideoClient>> connected = ConnectTo(options.server);
      if (!connected.ok()) return connected.status();
      client = *std::move(connected);
    }
    const v1::SessionConfig& config = run.plan.config;
    std::vector<ChunkDigest>& reference =
        references[absl::StrCat(config.seed(), " ", config.retention().target(), " ", config.prompt())];
    if (reference.empty()) {
      ViewerPlan plan;
      plan.config = config;
      plan.config.set_length_chunks(options.most_chunks);
      plan.config.mutable_retention()->set_floor(config.retention().target());
      plan.config.clear_playout();
      plan.verify = true;
      std::atomic<int64_t> chunks = 0;
      const ViewerRun whole = RunViewer(client.get(), plan, SteadyNow(), calls, &chunks);
      if (whole.outcome.end == ViewerEnd::kKilled) break;
      if (whole.outcome.end != ViewerEnd::kFinished) {
        return absl::AbortedError(absl::StrCat("an uninterrupted run to compare with failed: ", whole.outcome.error));
      }
      reference = whole.digests;
    }
    for (size_t i = 0; i < run.result.digests.size(); ++i) {
      // From a lowered budget on the video is another.
      if (run.result.digests[i].nominal != reference[i].nominal) break;
      ++run.result.outcome.verified;
      run.result.outcome.changed += run.result.digests[i] == reference[i] ? 0 : 1;
    }
  }
  return absl::OkStatus();
}

std::vector<ViewerOutcome> OutcomesOf(std::vector<Run> runs) {
  std::vector<ViewerOutcome> outcomes;
  outcomes.reserve(runs.size());
  for (Run& run : runs) outcomes.push_back(std::move(run.result.outcome));
  return outcomes;
}

absl::StatusOr<std::vector<std::string>> ExamplePrompts(const LoadOptions& options) {
  const absl::StatusOr<std::unique_ptr<VideoClient>> client = ConnectTo(options.server);
  if (!client.ok()) return client.status();
  const absl::StatusOr<v1::GetServerInfoResponse> info = (*client)->GetServerInfo();
  if (!info.ok()) return info.status();
  const auto& examples = info->model().example_prompts();
  if (examples.empty()) return absl::InvalidArgumentError("--prompt is missing, and the server has no examples");
  return std::vector<std::string>(examples.begin(), examples.end());
}

}  // namespace

int64_t ConnectionsFor(int64_t viewers) {
  return std::max(std::min(viewers, kOwnConnections), (viewers + kViewersPerConnection - 1) / kViewersPerConnection);
}

absl::StatusOr<std::vector<ViewerOutcome>> RunLoad(const LoadOptions& options, RunningCalls* calls,
                                                   const ShowProgress& show) {
  std::mt19937_64 random(options.seed);
  // First, so that a trace that cannot be read is not found out after waiting for a server.
  const absl::StatusOr<std::vector<absl::Duration>> times = ArrivalTimes(options.arrivals, options.duration, &random);
  if (!times.ok()) return times.status();
  absl::StatusOr<std::vector<std::string>> prompts = options.prompts;
  if (prompts->empty()) prompts = ExamplePrompts(options);
  if (!prompts.ok()) return prompts.status();
  const Crowd::Draw draw = [&](std::mt19937_64* random) { return DrawViewer(options, *prompts, random); };
  Crowd crowd(options.server, options.seed, calls);
  const int64_t at_once = std::min<int64_t>(std::max(options.arrivals.count, 1), options.max_viewers);
  if (absl::Status connected = crowd.Connect(at_once); !connected.ok()) return connected;
  crowd.Start();
  absl::Status begun;
  if (options.arrivals.kind == Arrivals::Kind::kClosed) {
    for (int i = 0; i < options.arrivals.count && begun.ok(); ++i) {
      begun = BeginIfThereIsRoom(options, draw, options.duration, &crowd);
    }
  } else {
    begun = RunOpenLoop(options, *times, draw, &crowd, show);
  }
  while (crowd.running() > 0) {
    absl::SleepFor(kGlance);
    show(crowd.progress());
  }
  std::vector<Run> runs = crowd.Join();
  if (!begun.ok()) return begun;
  if (absl::Status status = Verify(options, calls, &runs); !status.ok()) return status;
  return OutcomesOf(std::move(runs));
}

absl::StatusOr<std::vector<ViewerOutcome>> RunPlans(const LoadServer& server,
                                                    const std::vector<PlannedViewer>& viewers) {
  RunningCalls calls;
  Crowd crowd(server, /*seed=*/0, &calls);
  if (absl::Status connected = crowd.Connect(static_cast<int64_t>(viewers.size())); !connected.ok()) return connected;
  crowd.Start();
  absl::Status begun;
  for (const PlannedViewer& viewer : viewers) {
    WaitUntil(viewer.begins, crowd, [](const LoadProgress&) {});
    begun = crowd.Begin([&viewer](std::mt19937_64*) { return viewer.plan; }, std::nullopt);
    if (!begun.ok()) break;
  }
  std::vector<Run> runs = crowd.Join();
  if (!begun.ok()) return begun;
  return OutcomesOf(std::move(runs));
}

}  // namespace videodiffcr
