// videodiffcr-parity [--path plain|serving|both] [--device cpu|cuda] CASE.safetensors...
// Exit status: 0 all outputs within tolerance, 1 some are not, 2 a file or the command line is bad.
#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "parity/parity_case.h"

namespace videodiffcr {
namespace {

constexpr char kUsage[] =
    "videodiffcr-parity [--path plain|serving|both] [--device cpu|cuda] CASE.safetensors...\n"
    "Runs our networks on case files and compares every output with the file's.\n"
    "  --path    plain: the implementation that reads like the paper; serving: the server's; both (default)\n"
    "  --device  cpu (default) or cuda\n"
    "Exit status: 0 all within tolerance, 1 some are not, 2 a file or the command line is bad.\n";

struct Arguments {
  std::vector<NetworkPath> paths = {NetworkPath::kPlain, NetworkPath::kServing};
  at::Device device = at::kCPU;
  std::vector<std::string> files;
};

// Fills `arguments`; false when the command line is bad.
bool ParseArguments(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument != "--path" && argument != "--device") {
      if (argument.rfind("-", 0) == 0) return false;
      arguments->files.push_back(argument);
      continue;
    }
    const std::string value = i + 1 < argc ? argv[++i] : "";
    if (argument == "--path" && value == "plain") {
      arguments->paths = {NetworkPath::kPlain};
    } else if (argument == "--path" && value == "serving") {
      arguments->paths = {NetworkPath::kServing};
    } else if (argument == "--device" && value == "cuda") {
      arguments->device = at::kCUDA;
    } else if (!(argument == "--path" && value == "both") && !(argument == "--device" && value == "cpu")) {
      return false;
    }
  }
  return !arguments->files.empty();
}

struct Totals {
  int outputs = 0;
  int failed = 0;
  bool bad_file = false;
};

void RunFile(const std::string& path, const Arguments& arguments, Totals* totals) {
  const absl::StatusOr<SafetensorsReader> file = SafetensorsReader::Open(path);
  if (!file.ok()) {
    std::fprintf(stderr, "%s\n", std::string(file.status().message()).c_str());
    totals->bad_file = true;
    return;
  }
  for (const NetworkPath network_path : arguments.paths) {
    const absl::StatusOr<CaseOutputs> ours = RunCase(*file, network_path, arguments.device);
    if (!ours.ok()) {
      std::fprintf(stderr, "%s\n", std::string(ours.status().message()).c_str());
      totals->bad_file = true;
      return;
    }
    std::printf("%s (%s)\n", path.c_str(), NetworkPathName(network_path));
    for (const OutputComparison& output : CompareOutputs(*file, *ours)) {
      const std::string shape = "[" + absl::StrJoin(output.shape, ",") + "]";
      std::printf("  %-34s %-18s max abs error %.3e  tolerance %.0e  %s\n", output.name.c_str(), shape.c_str(),
                  output.max_abs_error, output.tolerance, output.passed ? "pass" : "FAIL");
      ++totals->outputs;
      if (!output.passed) ++totals->failed;
    }
  }
}

int Main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--help") == 0) {
    std::fputs(kUsage, stdout);
    return 0;
  }
  Arguments arguments;
  if (!ParseArguments(argc, argv, &arguments)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  at::set_num_threads(1);  // case files are small: threads would only wait for each other
  // Case files are compared in true fp32: no reduced-precision products on the device.
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
  Totals totals;
  for (const std::string& path : arguments.files) RunFile(path, arguments, &totals);
  std::printf("total: %d outputs, %d passed, %d failed\n", totals.outputs, totals.outputs - totals.failed,
              totals.failed);
  if (totals.bad_file || totals.outputs == 0) return 2;
  return totals.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace videodiffcr

int main(int argc, char** argv) { return videodiffcr::Main(argc, argv); }
