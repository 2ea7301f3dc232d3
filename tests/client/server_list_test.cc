#include "client/server_list.h"

#include <gtest/gtest.h>

#include <cstring>

namespace videodiffcr {
namespace {

// -1 where the argument is not set.
int Argument(const grpc::ChannelArguments& arguments, const char* name) {
  const grpc_channel_args list = arguments.c_channel_args();
  for (size_t i = 0; i < list.num_args; ++i) {
    if (std::strcmp(list.args[i].key, name) == 0) return list.args[i].value.integer;
  }
  return -1;
}

// gRPC on its own waits for a frozen server for ever; a server thinks ill of who asks more often than every 5 s.
TEST(ServerListTest, AServerThatIsFrozenIsNoticedWithinAMinuteAlsoWhileNothingIsSent) {
  const grpc::ChannelArguments arguments = ClientChannelArguments();
  const int interval = Argument(arguments, GRPC_ARG_KEEPALIVE_TIME_MS);
  const int timeout = Argument(arguments, GRPC_ARG_KEEPALIVE_TIMEOUT_MS);
  EXPECT_GE(interval, 5'000);
  EXPECT_GT(timeout, 0);
  EXPECT_LE(interval + timeout, 60'000);
  EXPECT_EQ(Argument(arguments, GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA), 0) << "0: as many as there are";
}

}  // namespace
}  // namespace videodiffcr
