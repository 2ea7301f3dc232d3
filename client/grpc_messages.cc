#include "client/grpc_messages.h"

#include <atomic>
#include <iostream>
#include <string>
#include <string_view>

#include "command_line/printable_text.h"
#include "grpc/support/log.h"

namespace videodiffcr {
namespace {

constexpr size_t kMaxBytes = 400;  // of a message: a server may send headers of many kilobytes

std::atomic<const char*> program_name = "";

void Tell(gpr_log_func_args* arguments) {
  std::string_view message = arguments->message;
  while (message.ends_with('\n')) message.remove_suffix(1);
  std::string line = std::string(program_name.load()) + ": gRPC: " + PrintableText(message.substr(0, kMaxBytes));
  line += message.size() > kMaxBytes ? "...\n" : "\n";
  // Any thread of gRPC's: in one piece, and past the stream's own state, which belongs to one thread.
  std::cerr.rdbuf()->sputn(line.data(), static_cast<std::streamsize>(line.size()));
}

}  // namespace

void RouteGrpcMessages(const char* program) {
  program_name = program;
  gpr_set_log_function(&Tell);
}

}  // namespace videodiffcr
