#include "client/grpc_messages.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <iostream>
#include <sstream>
#include <string>

#include "command_line/standard_streams.h"
#include "grpc/support/log.h"

namespace videodiffcr {
namespace {

void RouteErrors() {
  gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);  // as gRPC does by itself once it is in use
  RouteGrpcMessages("painter");
}

std::string ToldOf(const std::string& words) {
  std::ostringstream told;
  std::streambuf* const before = std::cerr.rdbuf(told.rdbuf());
  RouteErrors();
  gpr_log(GPR_ERROR, "key=grpc-status value=%s", words.c_str());
  std::cerr.rdbuf(before);
  return told.str();
}

TEST(GrpcMessagesTest, WhatAServerSentSteersNoTerminalAndBendsNoLine) {
  EXPECT_EQ(ToldOf("\x1B[2Jcleared\n"), "painter: gRPC: key=grpc-status value=\\x1b[2Jcleared\n");
  EXPECT_EQ(ToldOf("one\ntwo"), "painter: gRPC: key=grpc-status value=one\\x0atwo\n");
}

TEST(GrpcMessagesTest, ALongOneIsCut) {
  const std::string told = ToldOf(std::string(100'000, 'x'));
  EXPECT_LT(told.size(), 500u);
  EXPECT_TRUE(told.ends_with("x...\n")) << told;
}

// gRPC's own way of writing once held a command, and its end, while nobody read its messages.
TEST(GrpcMessagesTest, OnesThatNobodyReadsHoldNobodyUp) {
  EXPECT_EXIT(
      {
        int pipe_ends[2];
        if (pipe(pipe_ends) != 0 || dup2(pipe_ends[1], STDERR_FILENO) < 0) _exit(1);
        PrepareStandardStreams();
        RouteErrors();
        for (int i = 0; i < 10'000; ++i) gpr_log(GPR_ERROR, "header %d of many", i);
        _exit(7);
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace videodiffcr
