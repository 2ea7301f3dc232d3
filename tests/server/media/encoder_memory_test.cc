// An encoder that the system has no memory for. In a process of its own, whose address space is all but used up.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/status/status.h"
#include "server/media/h264_encoder.h"

namespace videodiffcr {
namespace {

// From now on the process gets so many bytes more.
void LimitAddressSpace(rlim_t more_bytes) {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t bytes = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + more_bytes;
  const rlimit limit = {bytes, bytes};
  setrlimit(RLIMIT_AS, &limit);
}

void MakeAnEncoderAndExit(rlim_t more_bytes) {
  EncoderConfig config;
  config.output = {VideoCodec::kH264, VideoContainer::kAnnexB};
  config.width = 1280;
  config.height = 720;
  config.frames_per_second = 16;
  LimitAddressSpace(more_bytes);
  const absl::Status status = H264Encoder::Create(config).status();
  fprintf(stderr, "%s\n", status.ToString().c_str());
  _exit(absl::IsResourceExhausted(status) ? 0 : 1);
}

TEST(EncoderMemoryTest, AnEncoderThatThereIsNoMemoryOrThreadForIsNoInternalError) {
  for (const rlim_t mebibytes : {1, 4, 16, 32}) {
    EXPECT_EXIT(MakeAnEncoderAndExit(mebibytes << 20), testing::ExitedWithCode(0), "RESOURCE_EXHAUSTED") << mebibytes;
  }
}

}  // namespace
}  // namespace videodiffcr
