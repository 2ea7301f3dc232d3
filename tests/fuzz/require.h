// What fuzzers hold the code to: the program ends where it does not hold, which is a finding.
#ifndef VIDEODIFFCR_TESTS_FUZZ_REQUIRE_H_
#define VIDEODIFFCR_TESTS_FUZZ_REQUIRE_H_

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "absl/status/status.h"

namespace videodiffcr {

inline void Require(bool holds, const char* what, std::string_view about = "") {
  if (holds) return;
  std::fprintf(stderr, "%s: %.*s\n", what, static_cast<int>(about.size()), about.data());
  std::abort();
}

inline void Require(bool holds, const char* what, const absl::Status& status) {
  if (!holds) Require(false, what, status.ToString());
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_FUZZ_REQUIRE_H_
