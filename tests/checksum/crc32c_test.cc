#include "checksum/crc32c.h"

#include <string>

#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

// The examples of RFC 3720, appendix B.4.
TEST(Crc32cTest, AgreesWithTheExamplesOfTheRfc) {
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AA);
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43);
  std::string rising;
  for (char byte = 0; byte < 32; ++byte) {
    rising.push_back(byte);
  }
  EXPECT_EQ(Crc32c(rising), 0x46DD794E);
  EXPECT_EQ(Crc32c(""), 0u);
}

}  // namespace
}  // namespace videodiffcr
