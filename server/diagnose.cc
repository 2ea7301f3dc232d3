#include "server/diagnose.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <sstream>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "command_line/printable_text.h"
#include "google/protobuf/stubs/common.h"
#include "grpcpp/grpcpp.h"
#include "system/regular_file.h"

extern "C" {
#include <libavutil/avutil.h>
}

namespace videodiffcr {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxSystemFileBytes = 1 << 20;  // of /proc and its like
constexpr uint64_t kSmallFileBytes = 64 << 10;
constexpr uint64_t kMaxHeaderBytes = 16 << 20;  // as the reader of weights has it
constexpr char kUnknown[] = "unknown";

// At most `most` bytes from `at` on; fewer where there are no more, or where none can be read without waiting.
std::string BytesAt(const RegularFile& file, uint64_t at, size_t most) {
  std::string text(most, '\0');
  size_t got = 0;
  while (got < most) {
    const absl::StatusOr<size_t> count = file.ReadAt(static_cast<int64_t>(at + got), text.data() + got, most - got);
    if (!count.ok() || *count == 0) break;
    got += *count;
  }
  text.resize(got);
  return text;
}

// At most `most` bytes from the beginning; empty when it cannot be read.
std::string BeginningOf(const fs::path& path, size_t most) {
  const absl::StatusOr<RegularFile> file = RegularFile::Open(path);
  return file.ok() ? BytesAt(*file, 0, most) : "";
}

// What stands behind `key` and a separator in the first line that begins with it.
std::string ValueOf(const fs::path& path, absl::string_view key, char separator) {
  const std::string text = BeginningOf(path, kMaxSystemFileBytes);
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, key)) continue;
    const size_t at = line.find(separator);
    if (at == absl::string_view::npos) continue;
    absl::string_view value = absl::StripAsciiWhitespace(line.substr(at + 1));
    if (value.size() > 1 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    return std::string(value);
  }
  return kUnknown;
}

std::string FirstLineOf(const fs::path& path) {
  const std::string text = BeginningOf(path, 4096);
  const std::string line(absl::StripAsciiWhitespace(text.substr(0, text.find('\n'))));
  return line.empty() ? kUnknown : line;
}

std::string Limit(rlim_t value) { return value == RLIM_INFINITY ? "unlimited" : absl::StrCat(value); }

void AddBuild(std::string* text) {
  absl::StrAppend(text, "version       ", VIDEODIFFCR_VERSION, ", ", VIDEODIFFCR_BUILD, ", compiler ", __VERSION__,
                  "\n");
  absl::StrAppend(text, "libraries     gRPC ", grpc::Version(), ", protobuf ",
                  google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION), ", FFmpeg ", av_version_info(),
                  ", ", OpenSSL_version(OPENSSL_VERSION), "\n");
}

void AddSystem(std::string* text) {
  utsname system = {};
  uname(&system);
  absl::StrAppend(text, "system        ", ValueOf("/etc/os-release", "PRETTY_NAME", '='), ", kernel ", system.release,
                  " ", system.machine, "\n");
  cpu_set_t usable;
  CPU_ZERO(&usable);
  sched_getaffinity(0, sizeof(usable), &usable);
  const std::string flags = " " + ValueOf("/proc/cpuinfo", "flags", ':') + " ";
  absl::StrAppend(text, "processor     ", ValueOf("/proc/cpuinfo", "model name", ':'), ", ", CPU_COUNT(&usable),
                  " usable;");
  for (const char* flag : {"avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16"}) {
    absl::StrAppend(text, " ", flag, absl::StrContains(flags, absl::StrCat(" ", flag, " ")) ? " yes" : " no");
  }
  absl::StrAppend(text, "\nmemory        ", ValueOf("/proc/meminfo", "MemTotal", ':'), ", available ",
                  ValueOf("/proc/meminfo", "MemAvailable", ':'), "\n");
  absl::StrAppend(text, "control group memory.max ", FirstLineOf("/sys/fs/cgroup/memory.max"), ", cpu.max ",
                  FirstLineOf("/sys/fs/cgroup/cpu.max"), "\n");
  rlimit files = {}, locked = {};
  getrlimit(RLIMIT_NOFILE, &files);
  getrlimit(RLIMIT_MEMLOCK, &locked);
  absl::StrAppend(text, "limits        open files ", Limit(files.rlim_cur), " (hard ", Limit(files.rlim_max),
                  "), locked memory ", Limit(locked.rlim_cur), " bytes\n");
}

void AddGpus(std::string* text) {
  absl::StrAppend(text, "GPU driver    ", FirstLineOf("/proc/driver/nvidia/version"), "\n");
  std::error_code error;
  std::vector<std::string> gpus;
  for (const fs::directory_entry& gpu : fs::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    gpus.push_back(
        absl::StrCat(gpu.path().filename().string(), " ", ValueOf(gpu.path() / "information", "Model", ':')));
  }
  std::sort(gpus.begin(), gpus.end());
  if (gpus.empty()) absl::StrAppend(text, "GPU           none\n");
  for (const std::string& gpu : gpus) absl::StrAppend(text, "GPU           ", gpu, "\n");
}

struct ModelFile {
  std::string name;
  uint64_t bytes = 0;
};

// By name; folders in it are not followed, for a model has none.
std::vector<ModelFile> FilesOf(const std::string& folder) {
  std::vector<ModelFile> files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_regular_file(error)) files.push_back({entry.path().filename().string(), entry.file_size(error)});
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return files;
}

// Bytes from all over a file: models of one shape differ in nearly every value.
std::string Sample(const fs::path& path, uint64_t bytes) {
  constexpr uint64_t kPlaces = 1024;
  constexpr size_t kBytesAtAPlace = 64;
  const absl::StatusOr<RegularFile> file = RegularFile::Open(path);
  if (!file.ok()) return "";
  std::string sample;
  for (uint64_t place = 0; place < kPlaces; ++place) {
    sample += BytesAt(*file, bytes / kPlaces * place, kBytesAtAPlace);
  }
  return sample;
}

// What of a file says which model it is.
std::string TellingBytes(const fs::path& path, uint64_t bytes) {
  if (bytes <= kSmallFileBytes) return BeginningOf(path, kSmallFileBytes);
  if (path.extension() != ".safetensors") return "";
  const std::string size = BeginningOf(path, 8);  // of the header, in little endian
  uint64_t header = 0;
  for (size_t i = size.size(); i-- > 0;) header = header << 8 | static_cast<unsigned char>(size[i]);
  return BeginningOf(path, static_cast<size_t>(std::min(header, kMaxHeaderBytes)) + 8) + Sample(path, bytes);
}

// What the server loads; a page about the model, say, is not the model.
bool IsOfTheModel(const ModelFile& file) {
  const fs::path extension = fs::path(file.name).extension();
  return extension == ".json" || extension == ".safetensors" || extension == ".model";
}

void AddModel(const std::string& folder, std::string* text) {
  const std::string fingerprint = ModelFingerprint(folder);
  absl::StrAppend(text, "model folder  ", folder, "\n");
  absl::StrAppend(text, "fingerprint   ", fingerprint.empty() ? "there is no such folder" : fingerprint, "\n");
  for (const ModelFile& file : FilesOf(folder)) {
    absl::StrAppend(text, "              ", PrintableText(file.name), ", ", file.bytes, " bytes\n");
  }
}

}  // namespace

std::string ModelFingerprint(const std::string& folder) {
  const std::vector<ModelFile> files = FilesOf(folder);
  if (files.empty()) return "";
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (context == nullptr || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) return kUnknown;
  for (const ModelFile& file : files) {
    if (!IsOfTheModel(file)) continue;
    const std::string head = absl::StrCat(file.name, "\n", file.bytes, "\n");
    const std::string telling = TellingBytes(fs::path(folder) / file.name, file.bytes);
    EVP_DigestUpdate(context.get(), head.data(), head.size());
    EVP_DigestUpdate(context.get(), telling.data(), telling.size());
  }
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned bytes = 0;
  EVP_DigestFinal_ex(context.get(), hash, &bytes);
  return absl::BytesToHexString({reinterpret_cast<const char*>(hash), bytes});
}

std::string Diagnose(const CommandLine& line, const std::vector<std::string_view>& arguments) {
  std::string text = absl::StrCat("videodiffcr-server, diagnosed at ",
                                  absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone()), "\n");
  AddBuild(&text);
  AddSystem(&text);
  AddGpus(&text);
  absl::StrAppend(&text, "flags        ");
  for (const std::string_view argument : arguments) absl::StrAppend(&text, " ", PrintableText(argument));
  const ServerConfig& config = line.config;
  absl::StrAppend(&text, "\nserves        listen ", config.listen, ", metrics ", config.metrics_listen, ", probes ",
                  config.admin_listen.empty() ? "none" : config.admin_listen, ", TLS ", config.tls.any() ? "yes" : "no",
                  ", tokens ", config.tokens_file.empty() ? "no" : "yes", ", device ", line.device, "\n");
  absl::StrAppend(&text, "takes         ", config.scheduler.max_sessions, " sessions, ",
                  config.scheduler.max_waiting_sessions, " more wait, ", config.max_connections,
                  " connections, model memory on a CPU ", config.scheduler.memory_budget_bytes, " bytes, drains for ",
                  absl::FormatDuration(config.drain_timeout), "\n");
  AddModel(line.model_folder, &text);
  return text;
}

}  // namespace videodiffcr
