// videodiffcr-parity: holds our networks to tensors of the reference implementation.
// Exit status: 0 all outputs within tolerance, 1 some are not or a file is bad, 2 the command line is bad.
#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "command_line/program.h"
#include "command_line/standard_streams.h"
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
                   "Exit status: 0 all within tolerance, 1 some are not or a file is bad, 2 the command line is bad.",
                   "videodiffcr-parity --path serving rollout.safetensors"});
  command.AddWords(
      {"CASE...", "", "Case files: safetensors with inputs, outputs and tolerances.", "rollout.safetensors"},
      &arguments->files);
  command.AddFlag(
      {"path", "NAME", "plain: the implementation that reads like the paper; serving: the server's; both.", "plain"},
      ReadChoice({"plain", "serving", "both"}, &arguments->path));
  command.AddFlag({"device", "NAME", "Where the networks run: cpu or cuda.", "cuda"}, ReadDevice(&arguments->device));
  return command.Parse(words);
}

struct Totals {
  int outputs = 0;
  int failed = 0;
};

// Writes the comparison of one case file as it is made.
absl::Status RunFile(const std::string& path, const Arguments& arguments, Totals* totals) {
  const at::Device device = arguments.device == "cuda" ? at::kCUDA : at::kCPU;
  const absl::StatusOr<SafetensorsReader> file = SafetensorsReader::Open(path);
  if (!file.ok()) return file.status();
  for (const NetworkPath network_path : arguments.paths()) {
    const absl::StatusOr<CaseOutputs> ours = RunCase(*file, network_path, device);
    if (!ours.ok()) return ours.status();
    std::string text = absl::StrFormat("%s (%s)\n", path, NetworkPathName(network_path));
    for (const OutputComparison& output : CompareOutputs(*file, *ours)) {
      const std::string shape = "[" + absl::StrJoin(output.shape, ",") + "]";
      absl::StrAppendFormat(&text, "  %-34s %-18s max abs error %.3e  tolerance %.0e  %s\n", output.name, shape,
                            output.max_abs_error, output.tolerance, output.passed ? "pass" : "FAIL");
      ++totals->outputs;
      if (!output.passed) ++totals->failed;
    }
    if (absl::Status written = WriteText(text, std::cout); !written.ok()) return written;
  }
  return absl::OkStatus();
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
  int failures = 0;
  const auto note = [&failures](const absl::Status& status) {
    if (!status.ok()) failures += Fail(kName, status, std::cerr);
  };
  for (const std::string& path : arguments.files) note(RunFile(path, arguments, &totals));
  note(WriteText(absl::StrFormat("total: %d outputs, %d passed, %d failed\n", totals.outputs,
                                 totals.outputs - totals.failed, totals.failed),
                 std::cout));
  return failures == 0 && totals.outputs > 0 && totals.failed == 0 ? kDone : kFailed;
}

}  // namespace
}  // namespace videodiffcr

int main(int argc, char** argv) {
  videodiffcr::PrepareStandardStreams();
  return videodiffcr::Main({argv + 1, argv + argc});
}
