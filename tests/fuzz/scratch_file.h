// A file in a folder of its own, for readers that take paths; both are removed when the program ends.
#ifndef VIDEODIFFCR_TESTS_FUZZ_SCRATCH_FILE_H_
#define VIDEODIFFCR_TESTS_FUZZ_SCRATCH_FILE_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace videodiffcr {

class ScratchFile {
 public:
  explicit ScratchFile(const std::string& name)
      : folder_((std::filesystem::temp_directory_path() / "videodiffcr_fuzz_XXXXXX").string()) {
    if (mkdtemp(folder_.data()) == nullptr) std::abort();
    path_ = folder_ + "/" + name;
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() { std::filesystem::remove_all(folder_); }

  const std::string& folder() const { return folder_; }
  const std::string& path() const { return path_; }
  void Write(const std::string& content) const { std::ofstream(path_, std::ios::binary) << content; }

 private:
  std::string folder_, path_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_FUZZ_SCRATCH_FILE_H_
