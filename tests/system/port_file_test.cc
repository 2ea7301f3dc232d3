#include "system/port_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

TEST(PortFileTest, TheKeysPortIsReadAndAFileThatIsNotThereYetIsNotFound) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("ports");
  EXPECT_TRUE(absl::IsNotFound(ReadPortFile(path, "grpc_port").status()));
  ASSERT_TRUE(WritePortFile(path, {{"metrics_port", 9464}, {"grpc_port", 50051}}).ok());
  EXPECT_EQ(*ReadPortFile(path, "grpc_port"), 50051);
  EXPECT_EQ(*ReadPortFile(path, "metrics_port"), 9464);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.Path("")), {}), 1) << "nothing else is left";
}

TEST(PortFileTest, AFileThatDoesNotNameThePortIsAnErrorThatSaysSo) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("ports");
  for (const char* text : {"", "grpc_port\n", "grpc_port=\n", "grpc_port=70000\n", "other=1\n"}) {
    std::ofstream(path) << text;
    const auto port = ReadPortFile(path, "grpc_port");
    EXPECT_EQ(port.status().code(), absl::StatusCode::kInternal) << text;
    EXPECT_THAT(std::string(port.status().message()), HasSubstr("ports: names no grpc_port")) << text;
  }
}

TEST(PortFileTest, APlaceThatCannotBeWrittenIsNamedWithTheFlag) {
  const absl::Status status = WritePortFile("/no/such/folder/ports", {{"grpc_port", 1}});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/no/such/folder/ports"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("--port-file"));
}

}  // namespace
}  // namespace videodiffcr
