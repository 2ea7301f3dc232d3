// A file's content, for tests.
#ifndef VIDEODIFFCR_TESTS_SYSTEM_READ_FILE_H_
#define VIDEODIFFCR_TESTS_SYSTEM_READ_FILE_H_

#include <fstream>
#include <sstream>
#include <string>

namespace videodiffcr {

// Empty when there is none.
inline std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_SYSTEM_READ_FILE_H_
