// A folder of a test's own, gone with it.
#ifndef VIDEODIFFCR_TESTS_SYSTEM_TEMPORARY_FOLDER_H_
#define VIDEODIFFCR_TESTS_SYSTEM_TEMPORARY_FOLDER_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace videodiffcr {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "videodiffcr_test.XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

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
