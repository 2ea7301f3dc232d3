// A folder of a test's own, gone with it. Free of GoogleTest: fuzz targets use it, too.
#ifndef VIDEODIFFCR_TESTS_SYSTEM_TEMPORARY_FOLDER_H_
#define VIDEODIFFCR_TESTS_SYSTEM_TEMPORARY_FOLDER_H_

#include <stdlib.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace videodiffcr {

class TemporaryFolder {
 public:
  // Ends the program when there is no place for it: whatever the test wrote next would go somewhere else.
  TemporaryFolder() : path_((std::filesystem::temp_directory_path() / "videodiffcr_test.XXXXXX").string()) {
    if (mkdtemp(path_.data()) != nullptr) return;
    std::perror(path_.c_str());
    std::abort();
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }
  std::string Write(const std::string& name, const std::string& content) const {
    std::ofstream(Path(name), std::ios::binary) << content;
    return Path(name);
  }

 private:
  std::string path_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_SYSTEM_TEMPORARY_FOLDER_H_
