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

constexpr absl::Duration kConnectTimeout = absl::Seconds(10);
constexpr absl::Duration kLoadTimeout = absl::Minutes(1);
constexpr absl::Duration kGlance = absl::Milliseconds(200);
// A server takes 16 sessions of one connection by default.
constexpr int kViewersPerConnection = 8;

absl::StatusOr<std::unique_ptr<VideoClient>> ConnectTo(const LoadOptions& options) {
  return VideoClient::Connect(options.server, kConnectTimeout, kLoadTimeout, options.security);
}

struct Run {
  ViewerPlan plan;
  ViewerRun result;
};

// The viewers of one load. Begin() and Join() from one thread.
class Crowd {
 public:
  Crowd(const LoadOptions& options, std::vector<std::string> prompts, std::unique_ptr<VideoClient> first)
      : options_(options), prompts_(std::move(prompts)), random_(options.seed) {
    clients_.push_back(std::move(first));
  }

  absl::Time origin() const { return origin_; }

  // One more viewer, who begins at `at`; with `another_until`, followed by others until then.
  absl::Status Begin(std::optional<absl::Duration> another_until) {
    Reap();
    if (running_ >= options_.max_viewers) {
      MutexLock lock(&mutex_);
      ViewerOutcome refused;
      refused.end = ViewerEnd::kFailed;
      refused.error = "--max-viewers";
      refused.began = SteadyNow() - origin_;
      runs_.push_back({{}, {refused, {}}});
      return absl::OkStatus();
    }
    absl::StatusOr<VideoClient*> client = NextClient();
    if (!client.ok()) return client.status();
    ++running_;
    const uint64_t seed = random_();
    threads_.emplace_back([this, client = *client, another_until, seed] {
      std::mt19937_64 random(seed);
      do {
        ++begun_;
        Run run;
        run.plan = DrawViewer(options_, prompts_, &random);
        run.result = RunViewer(client, run.plan, origin_, &chunks_);
        const bool refused = run.result.outcome.end == ViewerEnd::kRefused;
        {
          MutexLock lock(&mutex_);
          runs_.push_back(std::move(run));
        }
        if (refused && another_until.has_value()) absl::SleepFor(kGlance);
      } while (another_until.has_value() && SteadyNow() - origin_ < *another_until);
      MutexLock lock(&mutex_);
      --running_;
      done_.push_back(std::this_thread::get_id());
    });
    return absl::OkStatus();
  }

  LoadProgress progress() const { return {SteadyNow() - origin_, begun_.load(), running_.load(), chunks_.load()}; }
  bool running() const { return running_ > 0; }

  std::vector<Run> Join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    MutexLock lock(&mutex_);
    return std::exchange(runs_, {});
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

  absl::StatusOr<VideoClient*> NextClient() {
    const size_t wanted = static_cast<size_t>(running_ / kViewersPerConnection) + 1;
    if (clients_.size() < wanted) {
      absl::StatusOr<std::unique_ptr<VideoClient>> client = ConnectTo(options_);
      if (!client.ok()) return client.status();
      clients_.push_back(*std::move(client));
    }
    return clients_[next_client_++ % clients_.size()].get();
  }

  const LoadOptions& options_;
  const std::vector<std::string> prompts_;
  const absl::Time origin_ = SteadyNow();
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<VideoClient>> clients_;
  size_t next_client_ = 0;
  std::vector<std::thread> threads_;
  std::atomic<int64_t> begun_ = 0, running_ = 0, chunks_ = 0;
  Mutex mutex_;
  std::vector<Run> runs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread::id> done_ ABSL_GUARDED_BY(mutex_);
};

absl::Status RunOpenLoop(const LoadOptions& options, std::mt19937_64* random, Crowd* crowd,
                         const std::function<void(const LoadProgress&)>& show) {
  const absl::StatusOr<std::vector<absl::Duration>> times = ArrivalTimes(options.arrivals, options.duration, random);
  if (!times.ok()) return times.status();
  for (const absl::Duration at : *times) {
    for (absl::Duration left = at - (SteadyNow() - crowd->origin()); left > absl::ZeroDuration();
         left = at - (SteadyNow() - crowd->origin())) {
      absl::SleepFor(std::min(left, kGlance));
      show(crowd->progress());
    }
    if (absl::Status status = crowd->Begin(std::nullopt); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Holds each run that asks for it against an uninterrupted one of the same prompt, seed and budget, as long as the
// longest of them.
absl::Status Verify(const LoadOptions& options, std::vector<Run>* runs) {
  std::map<std::string, std::vector<ChunkDigest>> references;
  std::unique_ptr<VideoClient> client;
  for (Run& run : *runs) {
    if (!run.plan.verify || run.result.digests.empty()) continue;
    if (client == nullptr) {
      absl::StatusOr<std::unique_ptr<VideoClient>> connected = ConnectTo(options);
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
      const ViewerRun whole = RunViewer(client.get(), plan, SteadyNow(), &chunks);
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

}  // namespace

absl::StatusOr<std::vector<ViewerOutcome>> RunLoad(const LoadOptions& options,
                                                   const std::function<void(const LoadProgress&)>& show) {
  absl::StatusOr<std::unique_ptr<VideoClient>> client = ConnectTo(options);
  if (!client.ok()) return client.status();
  std::vector<std::string> prompts = options.prompts;
  if (prompts.empty()) {
    const absl::StatusOr<v1::GetServerInfoResponse> info = (*client)->GetServerInfo();
    if (!info.ok()) return info.status();
    prompts.assign(info->model().example_prompts().begin(), info->model().example_prompts().end());
  }
  if (prompts.empty()) return absl::InvalidArgumentError("--prompt is missing, and the server has no examples");
  std::mt19937_64 random(options.seed);
  Crowd crowd(options, std::move(prompts), *std::move(client));
  absl::Status begun;
  if (options.arrivals.kind == Arrivals::Kind::kClosed) {
    for (int i = 0; i < options.arrivals.count && begun.ok(); ++i) begun = crowd.Begin(options.duration);
  } else {
    begun = RunOpenLoop(options, &random, &crowd, show);
  }
  while (crowd.running()) {
    absl::SleepFor(kGlance);
    show(crowd.progress());
  }
  std::vector<Run> runs = crowd.Join();
  if (!begun.ok()) return begun;
  if (absl::Status status = Verify(options, &runs); !status.ok()) return status;
  std::vector<ViewerOutcome> outcomes;
  outcomes.reserve(runs.size());
  for (Run& run : runs) outcomes.push_back(std::move(run.result.outcome));
  return outcomes;
}

}  // namespace videodiffcr
