// Standard output that takes nothing, as on a full disk.
#ifndef VIDEODIFFCR_TESTS_COMMAND_LINE_FULL_STANDARD_OUTPUT_H_
#define VIDEODIFFCR_TESTS_COMMAND_LINE_FULL_STANDARD_OUTPUT_H_

#include <iostream>
#include <streambuf>

namespace videodiffcr {

// std::cout while this lives.
class FullStandardOutput {
 public:
  FullStandardOutput() : before_(std::cout.rdbuf(&full_)) {}
  ~FullStandardOutput() {
    std::cout.rdbuf(before_);
    std::cout.clear();
  }
  FullStandardOutput(const FullStandardOutput&) = delete;
  FullStandardOutput& operator=(const FullStandardOutput&) = delete;

 private:
  // Has no room, and does not make any.
  class Full : public std::streambuf {};

  Full full_;
  std::streambuf* const before_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_COMMAND_LINE_FULL_STANDARD_OUTPUT_H_
