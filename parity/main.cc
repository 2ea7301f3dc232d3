// videodiffcr-parity: holds our networks to tensors of the reference implementation.
// Exit status: 0 all outputs within tolerance, 1 some are not, 2 a file or the command line is bad.
#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "command_line/program.h"
#include "parity/parity_case.h"

namespace videodiffcr {
namespace {

constexpr char kName[] = "videodiffcr-parity";

struct Arguments {
  std::string path = "both";
  std::string device = "cpu";
  std::vector<std::string> files;

  std::vector<NetworkPath> paths() const {
    if (path == "plain") return {NetworkPath::kPlain};
    if (path == "serving") return {NetworkPath::kServing};
    return {NetworkPath::kPlain, NetworkPath::kServing};
  }
};

absl::StatusOr<ParsedCommand> ParseArguments(const std::vector<std::string_view>& words, Arguments* arguments) {
  Command command({kName, "runs our networks on case files and compares every output with the file's",
                   "Exit status: 0 all within tolerance, 1 some are not, 2 a file or the command line is bad.",
                   "videodiffcr-parity --path serving rollout.safetensors"});
  command.AddWords(
      {"CASE...", "", "Case files: safetensors with inputs, outputs and tolerances.", "rollout.safetensors"},
      &arguments->files);
  command.AddFlag(
      {"path", "NAME", "plain: the implementation that reads like the paper; serving: the server's; both.", "plain"},
      ReadChoice({"plain", "serving", "both"}, &arguments->path));
  command.AddFlag({"device", "NAME", "Where the networks run: cpu or cuda.", "cuda"},
                  ReadChoice({"cpu", "cuda"}, &arguments->device));
  return command.Parse(words);
}

struct Totals {
  int outputs = 0;
  int failed = 0;
  bool bad_file = false;
};

void RunFile(const std::string& path, const Arguments& arguments, Totals* totals) {
  const at::Device device = arguments.device == "cuda" ? at::kCUDA : at::kCPU;
  const absl::StatusOr<SafetensorsReader> file = SafetensorsReader::Open(path);
  if (!file.ok()) {
    std::fprintf(stderr, "%s\n", std::string(file.status().message()).c_str());
    totals->bad_file = true;
    return;
  }
  for (const NetworkPath network_path : arguments.paths()) {
    const absl::StatusOr<CaseOutputs> ours = RunCase(*file, network_path, device);
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

int Main(const std::vector<std::string_view>& words) {
  Arguments arguments;
  const absl::StatusOr<ParsedCommand> parsed = ParseArguments(words, &arguments);
  if (!parsed.ok()) return RefuseCommandLine(kName, kName, parsed.status(), std::cerr);
  if (!parsed->answer.empty()) return WriteAnswer(kName, parsed->answer, std::cout, std::cerr);
  at::set_num_threads(1);  // case files are small: threads would only wait for each other
  // Case files are compared in true fp32: no reduced-precision products on the device.
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
  Totals totals;
  for (const std::string& path : arguments.files) RunFile(path, arguments, &totals);
  std::printf("total: %d outputs, %d passed, %d failed\n", totals.outputs, totals.outputs - totals.failed,
              totals.failed);
  if (totals.bad_file || totals.outputs == 0) return kWrongCommandLine;
  return totals.failed == 0 ? kDone : kFailed;
}

}  // namespace
}  // namespace videodiffcr

int main(int argc, char** argv) { return videodiffcr::Main({argv + 1, argv + argc}); }
