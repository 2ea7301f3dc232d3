// videodiffcr: the command-line client. Exit status: 0 done, 1 failed, 2 a wrong flag or value, 130 interrupted.
#include <signal.h>

#include <iostream>
#include <string_view>
#include <vector>

#include "client/call_status.h"
#include "client/generate_command.h"
#include "client/generate_options.h"
#include "client/info_command.h"
#include "client/interrupt.h"
#include "command_line/subcommands.h"

namespace videodiffcr {
namespace {

constexpr Subcommand kSubcommands[] = {
    {"generate", "makes a video of a prompt and writes it as it arrives", &GenerateHelp, &RunGenerate},
    {"info", "prints what a server can do", &InfoHelp, &RunInfo},
};

constexpr Program kProgram = {"videodiffcr", "client of the VideoDiffCR server", kSubcommands, &DescribeStatus};

}  // namespace
}  // namespace videodiffcr

int main(int argc, char** argv) {
  videodiffcr::BlockInterrupts();
  signal(SIGPIPE, SIG_IGN);  // a reader of standard output that goes away is an error of write(), like a full disk
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  return videodiffcr::RunSubcommand(videodiffcr::kProgram, arguments, std::cout, std::cerr);
}
