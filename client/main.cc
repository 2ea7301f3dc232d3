// videodiffcr: the command-line client. Exit status: 0 done, 1 failed, 2 a wrong flag or value, 130 interrupted.
#include <iostream>

#include "client/call_status.h"
#include "client/generate_command.h"
#include "client/grpc_messages.h"
#include "client/health_command.h"
#include "client/info_command.h"
#include "client/load/load_command.h"
#include "client/top_command.h"
#include "client/view_command.h"
#include "command_line/program.h"
#include "command_line/standard_streams.h"

int main(int argc, char** argv) {
  using videodiffcr::GenerateSubcommand, videodiffcr::HealthSubcommand, videodiffcr::InfoSubcommand,
      videodiffcr::LoadSubcommand, videodiffcr::TopSubcommand, videodiffcr::ViewSubcommand;
  videodiffcr::PrepareStandardStreams();
  videodiffcr::RouteGrpcMessages("videodiffcr");
  const videodiffcr::Program program = {
      {"videodiffcr", "client of the VideoDiffCR server", "",
       "videodiffcr generate --prompt \"a red circle moves right\""},
      {GenerateSubcommand(), ViewSubcommand(), InfoSubcommand(), TopSubcommand(), HealthSubcommand(), LoadSubcommand()},
      &videodiffcr::DescribeStatus};
  return videodiffcr::RunProgram(program, {argv + 1, argv + argc}, std::cout, std::cerr);
}
