#include "training/parallel/rank_launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "system/steady_time.h"
#include "system/wrong_usage.h"

extern char** environ;

namespace videodiffcr::training {
namespace {

// "RANK WORLD PARENT SOCKET,SOCKET,...", for the processes that RunRanks() starts.
constexpr char kPlaceVariable[] = "VIDEODIFFCR_TRAIN_PLACE";
constexpr absl::Duration kGrace = absl::Seconds(1);
constexpr int kPollMilliseconds = 100;
constexpr size_t kMostWords = 64 << 10;  // of a rank: the last ones

struct RankProcess {
  int64_t rank = 0;
  pid_t pid = -1;  // -1: not running
  int words_pipe = -1;
  std::string words;   // on standard error
  bool ended = false;  // by itself
  int status = 0;      // as waitpid() gives it
  bool failed() const { return ended && status != 0; }
};

std::string EndOf(int status) {
  if (WIFSIGNALED(status)) return absl::StrCat("was killed by signal ", WTERMSIG(status));
  return absl::StrCat("ended with status ", WEXITSTATUS(status));
}

// The environment of a rank: this process's, with its place and its GPU.
std::vector<std::string> Environment(const RankCommand& command, const RankPlace& place) {
  const std::string place_prefix = absl::StrCat(kPlaceVariable, "="), gpu_prefix = "CUDA_VISIBLE_DEVICES=";
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const bool replaced =
        absl::StartsWith(*variable, place_prefix) || (!command.gpus.empty() && absl::StartsWith(*variable, gpu_prefix));
    if (!replaced) variables.emplace_back(*variable);
  }
  variables.push_back(
      absl::StrCat(place_prefix, place.rank, " ", place.world, " ", getpid(), " ", absl::StrJoin(place.sockets, ",")));
  if (!command.gpus.empty()) {
    variables.push_back(absl::StrCat(gpu_prefix, command.gpus[static_cast<size_t>(place.rank)]));
  }
  return variables;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

class Ranks {
 public:
  Ranks(const RankCommand& command, std::ostream& errors) : command_(command), errors_(errors) {}
  ~Ranks() {
    KillAll();
    for (const RankProcess& process : processes_) {
      if (process.words_pipe >= 0) close(process.words_pipe);
    }
  }

  absl::Status Start() {
    absl::StatusOr<std::vector<RankPlace>> places = ConnectRanks(command_.world);
    if (!places.ok()) return places.status();
    const absl::Cleanup close_sockets = [&places] {  // from here on only the ranks hold them
      for (const RankPlace& place : *places) {
        for (const int socket : place.sockets) close(socket);
      }
    };
    for (const RankPlace& place : *places) {
      if (absl::Status started = StartOne(place); !started.ok()) return started;
    }
    return absl::OkStatus();
  }

  absl::Status Watch() {
    absl::Time last = absl::InfiniteFuture();
    while (AnyRunning()) {
      WaitForWords();
      Reap();
      if (last == absl::InfiniteFuture() && AnyFailed()) last = SteadyNow() + kGrace;
      if (SteadyNow() >= last) KillAll();
    }
    for (RankProcess& process : processes_) ReadWords(process);
    return AnyFailed() ? Report() : absl::OkStatus();
  }

 private:
  absl::Status StartOne(const RankPlace& place) {
    RankProcess process;
    process.rank = place.rank;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    const absl::Cleanup destroy = [&actions] { posix_spawn_file_actions_destroy(&actions); };
    for (const int socket : place.sockets) posix_spawn_file_actions_adddup2(&actions, socket, socket);  // keeps it open
    int pipe_ends[2] = {-1, -1};
    if (place.rank != 0) {
      if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return absl::ResourceExhaustedError(absl::StrCat("no pipe for rank ", place.rank, ": ", std::strerror(errno)));
      }
      fcntl(pipe_ends[1], F_SETFL, 0);  // the rank's end waits while the pipe is full
      posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDERR_FILENO);
    }
    const std::vector<std::string> environment = Environment(command_, place);
    const int error = posix_spawn(&process.pid, command_.arguments[0].c_str(), &actions, nullptr,
                                  Pointers(command_.arguments).data(), Pointers(environment).data());
    if (pipe_ends[1] >= 0) close(pipe_ends[1]);
    process.words_pipe = pipe_ends[0];
    if (error != 0) process.pid = -1;
    processes_.push_back(process);
    if (error == 0) return absl::OkStatus();
    return absl::InternalError(
        absl::StrCat("rank ", place.rank, ": cannot start ", command_.arguments[0], ": ", std::strerror(error)));
  }

  bool AnyRunning() const {
    return std::any_of(processes_.begin(), processes_.end(), [](const RankProcess& one) { return one.pid > 0; });
  }
  bool AnyFailed() const {
    return std::any_of(processes_.begin(), processes_.end(), [](const RankProcess& one) { return one.failed(); });
  }

  // Until something is said, a rank that talks to a pipe ends, or a moment has passed.
  void WaitForWords() {
    std::vector<pollfd> polled;
    for (const RankProcess& process : processes_) {
      if (process.words_pipe >= 0) polled.push_back({process.words_pipe, POLLIN, 0});
    }
    poll(polled.data(), polled.size(), kPollMilliseconds);
    for (RankProcess& process : processes_) ReadWords(process);
  }

  static void ReadWords(RankProcess& process) {
    char buffer[4096];
    while (process.words_pipe >= 0) {
      const ssize_t size = read(process.words_pipe, buffer, sizeof(buffer));
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return;  // nothing more for now
      if (size == 0) {
        close(process.words_pipe);
        process.words_pipe = -1;
        return;
      }
      process.words.append(buffer, static_cast<size_t>(size));
      if (process.words.size() > kMostWords) process.words.erase(0, process.words.size() - kMostWords);
    }
  }

  void Reap() {
    for (RankProcess& process : processes_) {
      if (process.pid <= 0 || waitpid(process.pid, &process.status, WNOHANG) != process.pid) continue;
      process.pid = -1;
      process.ended = true;
    }
  }

  void KillAll() {
    for (RankProcess& process : processes_) {
      if (process.pid <= 0) continue;
      kill(process.pid, SIGKILL);
      while (waitpid(process.pid, &process.status, 0) < 0 && errno == EINTR) {
      }
      process.pid = -1;
    }
  }

  absl::Status Report() {
    std::vector<std::string> ends;
    for (RankProcess& process : processes_) {
      if (!process.failed()) continue;
      ends.push_back(absl::StrCat("rank ", process.rank, " ", EndOf(process.status)));
      const absl::string_view words = absl::StripAsciiWhitespace(process.words);
      if (words.empty()) continue;
      for (const absl::string_view line : absl::StrSplit(words, '\n')) {
        errors_ << "rank " << process.rank << ": " << line << "\n";
      }
      const std::vector<absl::string_view> lines = absl::StrSplit(words, '\n');
      ends.back() += absl::StrCat(" (", lines.back(), ")");
    }
    return absl::AbortedError(
        absl::StrCat(absl::StrJoin(ends, "; "), "; all ", command_.world,
                     " processes were stopped. The same command goes on from the last whole checkpoint, or begins anew "
                     "where none was written yet"));
  }

  const RankCommand& command_;
  std::ostream& errors_;
  std::vector<RankProcess> processes_;
};

}  // namespace

absl::Status RunRanks(const RankCommand& command, std::ostream& errors) {
  Ranks ranks(command, errors);
  if (absl::Status started = ranks.Start(); !started.ok()) return started;
  return ranks.Watch();
}

absl::StatusOr<std::optional<RankPlace>> PlaceOfThisProcess() {
  const char* text = std::getenv(kPlaceVariable);
  if (text == nullptr) return std::nullopt;
  const std::vector<absl::string_view> fields = absl::StrSplit(text, ' ');
  RankPlace place;
  int64_t parent = 0;
  bool right = fields.size() == 4 && absl::SimpleAtoi(fields[0], &place.rank) &&
               absl::SimpleAtoi(fields[1], &place.world) && absl::SimpleAtoi(fields[2], &parent) && place.rank >= 0 &&
               place.rank < place.world;
  if (right) {
    for (const absl::string_view number : absl::StrSplit(fields[3], ',')) {
      int socket = -1;
      right = right && absl::SimpleAtoi(number, &socket) && fcntl(socket, F_SETFD, FD_CLOEXEC) == 0;
      place.sockets.push_back(socket);
    }
    right = right && place.sockets.size() == static_cast<size_t>(place.rank == 0 ? place.world - 1 : 1);
  }
  if (!right) return absl::InvalidArgumentError(absl::StrCat(kPlaceVariable, " '", text, "': is no place in a run"));
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != static_cast<pid_t>(parent)) return absl::AbortedError("whoever started this run is gone");
  return place;
}

absl::StatusOr<std::vector<std::string>> GpusOfRanks(int64_t world, const char* visible) {
  std::vector<std::string> gpus;
  if (visible == nullptr) {
    for (int64_t rank = 0; rank < world; ++rank) gpus.push_back(absl::StrCat(rank));
    return gpus;
  }
  gpus = absl::StrSplit(visible, ',', absl::SkipWhitespace());
  if (gpus.size() < static_cast<size_t>(world)) {
    return WrongUsageError(
        absl::StrCat("--gpus ", world, ": CUDA_VISIBLE_DEVICES '", visible, "' names ", gpus.size()));
  }
  gpus.resize(static_cast<size_t>(world));
  return gpus;
}

}  // namespace videodiffcr::training
