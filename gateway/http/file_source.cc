#include "gateway/http/file_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/sockets/descriptor.h"
#include "system/guarded.h"

namespace videodiffcr {
namespace {

constexpr int64_t kPieceBytes = 256 << 10;

class FileSource final : public BodySource, public std::enable_shared_from_this<FileSource> {
 public:
  FileSource(Descriptor file, int64_t first, int64_t count, WorkRunner run)
      : run_(std::move(run)), file_(std::move(file)), next_(first), left_(count) {}

  void Next(std::function<void(Piece)> ready) override {
    if (left_ <= 0) return ready(nullptr);
    // Weak: what waits behind a stuck disk reads nothing for a viewer who has left.
    const bool taken = run_([weak = weak_from_this(), ready] {
      const auto self = weak.lock();
      if (self == nullptr) return;
      Piece piece;  // none: there is no memory for it, which ends this viewer's answer and nobody else's
      Guarded("a piece of a file", [&] { piece = self->Read(); }).IgnoreError();
      ready(std::move(piece));
    });
    if (!taken) ready(nullptr);
  }

 private:
  Piece Read() {
    std::string bytes(static_cast<size_t>(std::min(left_, kPieceBytes)), '\0');
    const ssize_t got = pread(file_.get(), bytes.data(), bytes.size(), next_);
    if (got <= 0) return nullptr;
    bytes.resize(static_cast<size_t>(got));
    next_ += got;
    left_ -= got;
    return std::make_shared<const std::string>(std::move(bytes));
  }

  const WorkRunner run_;
  const Descriptor file_;
  // Of whoever reads: asked for one piece at a time.
  int64_t next_;
  int64_t left_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<BodySource>> OpenFileSource(const std::string& path, int64_t first, int64_t count,
                                                           WorkRunner run) {
  // Never waits: what has become a pipe is no video.
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat about {};
  if (!file.valid() || fstat(file.get(), &about) != 0) {
    return absl::NotFoundError(absl::StrCat(path, ": ", std::strerror(errno)));
  }
  if (!S_ISREG(about.st_mode)) return absl::NotFoundError(absl::StrCat(path, ": is not a regular file"));
  return std::make_shared<FileSource>(std::move(file), first, count, std::move(run));
}

}  // namespace videodiffcr
