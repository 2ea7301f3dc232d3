#include "gateway/random_id.h"

#include <sys/random.h>

#include <cstdlib>

namespace videodiffcr {

std::string RandomId() {
  static constexpr char kLetters[] = "abcdefghijklmnopqrstuvwxyz234567";
  unsigned char bytes[kRandomIdLength];
  if (getrandom(bytes, sizeof(bytes), 0) != static_cast<ssize_t>(sizeof(bytes))) std::abort();  // no kernel of ours
  std::string id;
  for (unsigned char byte : bytes) id.push_back(kLetters[byte % 32]);
  return id;
}

}  // namespace videodiffcr
