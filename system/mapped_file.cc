#include "system/mapped_file.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "system/regular_file.h"

namespace videodiffcr {
namespace {

// What the signal handler may look at: no locks, no memory of its own. Of a place that is taken `end` is set before
// `begin`.
struct Place {
  std::atomic<bool> taken{false};   // by a mapping; the handler does not ask
  std::atomic<uintptr_t> begin{0};  // 0: nothing is mapped
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> damaged{false};
};
std::array<Place, kMostMappedFiles> places;
struct sigaction handler_before;
uintptr_t page_bytes = 4096;

// Puts zeros where the file has nothing, from the page that was asked for to the mapping's end, so that the reading
// thread goes on.
void OnBusError(int signal, siginfo_t* info, void*) {
  const int saved_errno = errno;
  const uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Place& place : places) {
    const uintptr_t begin = place.begin.load(std::memory_order_acquire);
    const uintptr_t end = place.end.load(std::memory_order_acquire);
    if (info->si_code <= 0 || begin == 0 || address < begin || address >= end) continue;
    const uintptr_t page = address / page_bytes * page_bytes;
    void* const zeros = mmap(reinterpret_cast<void*>(page), end - page, PROT_READ,
                             MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED) break;
    place.damaged.store(true, std::memory_order_release);
    errno = saved_errno;
    return;
  }
  // Not ours: as if there were no handler here. A fault comes again by itself, a signal that was sent does not.
  sigaction(SIGBUS, &handler_before, nullptr);
  if (info->si_code <= 0) raise(signal);
  errno = saved_errno;
}

void InstallHandler() {
  static std::once_flag once;
  std::call_once(once, [] {
    page_bytes = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = OnBusError;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &handler_before);
  });
}

// The index of the place; -1 when all are taken.
int TakePlace(const void* data, size_t size) {
  for (int i = 0; i < kMostMappedFiles; ++i) {
    if (places[i].taken.exchange(true, std::memory_order_acquire)) continue;
    places[i].damaged.store(false, std::memory_order_relaxed);
    places[i].end.store(reinterpret_cast<uintptr_t>(data) + size, std::memory_order_release);
    places[i].begin.store(reinterpret_cast<uintptr_t>(data), std::memory_order_release);
    return i;
  }
  return -1;
}

void FreePlace(int place) {
  places[place].begin.store(0, std::memory_order_release);
  places[place].taken.store(false, std::memory_order_release);
}

}  // namespace

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  const absl::StatusOr<RegularFile> file = RegularFile::Open(path);
  if (!file.ok()) return file.status();
  if (file->bytes() == 0) return absl::InvalidArgumentError(absl::StrCat(path, ": is empty"));
  InstallHandler();
  const size_t bytes = static_cast<size_t>(file->bytes());
  void* const data = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file->descriptor(), 0);
  if (data == MAP_FAILED) return absl::ErrnoToStatus(errno, absl::StrCat(path, ": cannot be mapped"));
  MappedFile mapped;
  mapped.path_ = path;
  mapped.data_ = static_cast<const uint8_t*>(data);
  mapped.size_ = bytes;
  mapped.place_ = TakePlace(data, bytes);
  if (mapped.place_ < 0) {
    return absl::ResourceExhaustedError(absl::StrCat(path, ": ", kMostMappedFiles, " files are mapped already"));
  }
  return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      place_(std::exchange(other.place_, -1)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    Unmap();
    path_ = std::move(other.path_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    place_ = std::exchange(other.place_, -1);
  }
  return *this;
}

MappedFile::~MappedFile() { Unmap(); }

void MappedFile::Unmap() {
  if (place_ >= 0) FreePlace(place_);
  if (data_ != nullptr) munmap(const_cast<uint8_t*>(data_), size_);
}

absl::Status MappedFile::CheckWhole() const {
  if (place_ < 0 || !places[place_].damaged.load(std::memory_order_acquire)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(path_, ": became shorter than its ", size_, " bytes while it was read, or cannot be read"));
}

void ReleaseMappedPages(absl::Span<const uint8_t> bytes) {
  // Whole pages inside the range only: its ends may share a page with a neighbour that is still to be read.
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size()) / page * page;
  if (begin < end) {
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

}  // namespace videodiffcr
