// Where a test finds the files of the repository.
#ifndef VIDEODIFFCR_TESTS_SYSTEM_SOURCE_PATH_H_
#define VIDEODIFFCR_TESTS_SYSTEM_SOURCE_PATH_H_

#include <cstdio>
#include <cstdlib>
#include <string>

namespace videodiffcr {

// What CMake hands to every test. Ends the test program when it does not.
inline std::string FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) {
    std::fprintf(stderr, "%s is not set: run this test through ctest\n", name);
    std::abort();
  }
  return value;
}

inline std::string SourcePath(const std::string& name) {
  return FromEnvironment("VIDEODIFFCR_SOURCE_DIR") + "/" + name;
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_SYSTEM_SOURCE_PATH_H_
