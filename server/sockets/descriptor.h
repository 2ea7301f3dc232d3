// A file descriptor that closes itself.
#ifndef VIDEODIFFCR_SERVER_SOCKETS_DESCRIPTOR_H_
#define VIDEODIFFCR_SERVER_SOCKETS_DESCRIPTOR_H_

#include <unistd.h>

#include <utility>

namespace videodiffcr {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }

  int get() const { return number_; }
  bool valid() const { return number_ >= 0; }
  // Somebody else closes it.
  int Release() { return std::exchange(number_, -1); }

 private:
  int number_ = -1;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SOCKETS_DESCRIPTOR_H_
