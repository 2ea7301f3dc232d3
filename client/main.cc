// videodiffcr: the command-line client. Exit status: 0 done, 1 failed, 2 a wrong flag or value, 130 interrupted.
#include <signal.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "client/call_status.h"
#include "client/generate_command.h"
#include "client/generate_options.h"
#include "client/info_command.h"
#include "client/interrupt.h"

namespace videodiffcr {
namespace {

struct Subcommand {
  std::string_view name;
  std::string_view summary;
  std::string (*help)();
  absl::Status (*run)(const std::vector<std::string_view>& arguments);
};

constexpr Subcommand kSubcommands[] = {
    {"generate", "makes a video of a prompt and writes it as it arrives", &GenerateHelp, &RunGenerate},
    {"info", "prints what a server can do", &InfoHelp, &RunInfo},
};

bool IsHelp(std::string_view argument) { return argument == "--help" || argument == "-h" || argument == "help"; }

void PrintUsage(std::ostream& out) {
  out << "videodiffcr: client of the VideoDiffCR server\n\n";
  for (const Subcommand& subcommand : kSubcommands) {
    out << "  videodiffcr " << subcommand.name << "  " << subcommand.summary << "\n";
  }
  out << "\n`videodiffcr SUBCOMMAND --help` lists its flags and an example.\n";
}

int Main(const std::vector<std::string_view>& arguments) {
  if (!arguments.empty() && IsHelp(arguments[0])) {
    PrintUsage(std::cout);
    return 0;
  }
  const auto subcommand =
      std::find_if(std::begin(kSubcommands), std::end(kSubcommands),
                   [&](const Subcommand& candidate) { return !arguments.empty() && candidate.name == arguments[0]; });
  if (subcommand == std::end(kSubcommands)) {
    if (!arguments.empty()) {
      std::cerr << "videodiffcr: unknown subcommand '" << arguments[0] << "'\n\n";
    }
    PrintUsage(std::cerr);
    return 2;
  }
  const std::vector<std::string_view> rest(arguments.begin() + 1, arguments.end());
  if (std::any_of(rest.begin(), rest.end(),
                  [](std::string_view argument) { return argument == "--help" || argument == "-h"; })) {
    std::cout << subcommand->help();
    return 0;
  }
  const absl::Status status = subcommand->run(rest);
  if (status.ok()) {
    return 0;
  }
  std::cerr << "videodiffcr: " << DescribeStatus(status) << std::endl;
  if (absl::IsInvalidArgument(status)) {
    std::cerr << "`videodiffcr " << subcommand->name << " --help` lists the flags" << std::endl;
    return 2;
  }
  return absl::IsCancelled(status) ? 130 : 1;
}

}  // namespace
}  // namespace videodiffcr

int main(int argc, char** argv) {
  videodiffcr::BlockInterrupts();
  signal(SIGPIPE, SIG_IGN);  // a reader of standard output that goes away is an error of write(), like a full disk
  return videodiffcr::Main(std::vector<std::string_view>(argv + 1, argv + argc));
}
