#include "server/logging/log_writer.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <deque>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "threading/mutex.h"

namespace videodiffcr {
namespace {

constexpr absl::Duration kLastWords = absl::Seconds(1);

// False when the file does not take it. Waits for as long as the file makes it wait.
bool WriteAll(int file, const std::string& line) {
  for (size_t done = 0; done < line.size();) {
    const ssize_t written = write(file, line.data() + done, line.size() - done);
    if (written >= 0) {
      done += static_cast<size_t>(written);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {  // somebody made the shared file non-blocking
      pollfd writable = {file, POLLOUT, 0};
      poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

}  // namespace

struct LogWriter::State {
  State(int file, size_t max_lines) : file(file), max_lines(max_lines) {}

  const int file;
  const size_t max_lines;
  Mutex mutex;
  CondVar changed;
  std::deque<std::string> lines ABSL_GUARDED_BY(mutex);
  bool writing ABSL_GUARDED_BY(mutex) = false;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  int64_t dropped ABSL_GUARDED_BY(mutex) = 0;
  int64_t dropped_and_told ABSL_GUARDED_BY(mutex) = 0;

  // The thread.
  void Run() {
    std::string line;
    while (Take(&line)) {
      const bool written = WriteAll(file, line);
      MutexLock lock(&mutex);
      writing = false;
      if (!written) ++dropped;
      changed.NotifyAll();
    }
  }

  // Waits for the next line; false when there will be none.
  bool Take(std::string* line) {
    MutexLock lock(&mutex);
    while (lines.empty() && !closed) changed.Wait(&mutex);
    if (lines.empty()) return false;
    line->clear();
    if (const int64_t missing = dropped - std::exchange(dropped_and_told, dropped); missing > 0) {
      absl::StrAppend(line, "log: ", missing, " lines were dropped, since nobody took them\n");
    }
    absl::StrAppend(line, lines.front(), "\n");
    lines.pop_front();
    writing = true;
    return true;
  }
};

LogWriter::LogWriter(int file, size_t max_lines) : state_(std::make_shared<State>(file, max_lines)) {
  // Without a thread the lines are counted and nothing else is lost.
  try {
    std::thread([state = state_] { state->Run(); }).detach();
  } catch (const std::system_error&) {
    MutexLock lock(&state_->mutex);
    state_->closed = true;
  }
}

LogWriter::~LogWriter() {
  Flush(kLastWords);
  MutexLock lock(&state_->mutex);
  state_->closed = true;
  state_->changed.NotifyAll();
}

void LogWriter::Write(std::string line) {
  if (line.size() > kMaxLineBytes) line.replace(kMaxLineBytes - 3, std::string::npos, "...");
  MutexLock lock(&state_->mutex);
  if (state_->closed || state_->lines.size() >= state_->max_lines) {
    ++state_->dropped;
    return;
  }
  state_->lines.push_back(std::move(line));
  state_->changed.NotifyAll();
}

int64_t LogWriter::dropped() const {
  MutexLock lock(&state_->mutex);
  return state_->dropped;
}

void LogWriter::Flush(absl::Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
  MutexLock lock(&state_->mutex);
  while (!state_->closed && (state_->writing || !state_->lines.empty())) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) return;
    state_->changed.WaitFor(&state_->mutex, left);
  }
}

}  // namespace videodiffcr
