#include "server/rpc/keyed_hash.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/escaping.h"

namespace videodiffcr {
namespace {

// RFC 4231, test cases 2 and 6.
TEST(KeyedHashTest, ItIsHmacSha256) {
  EXPECT_EQ(absl::BytesToHexString(KeyedHash("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(absl::BytesToHexString(
                KeyedHash(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(KeyedHashTest, BytesAreEqualWhenAllOfThemAre) {
  const std::string bytes("a\0b", 3);
  EXPECT_TRUE(EqualInConstantTime(bytes, std::string("a\0b", 3)));
  EXPECT_FALSE(EqualInConstantTime(bytes, std::string("a\0c", 3)));
  EXPECT_FALSE(EqualInConstantTime(bytes, std::string("a\0", 2)));
  EXPECT_TRUE(EqualInConstantTime("", ""));
}

}  // namespace
}  // namespace videodiffcr
