// A real Prometheus scrapes a real server; promtool and docs/metrics.md are further judges of what it finds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/integration/loopback.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"
#include "tests/process/process.h"
#include "tests/system/read_file.h"
#include "tests/system/source_path.h"
#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

using ::testing::IsSupersetOf;

// Names and types in a scrape, from its "# TYPE" lines.
std::set<std::string> FamiliesOf(const std::string& scrape) {
  std::set<std::string> families;
  for (absl::string_view line : absl::StrSplit(scrape, '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() == 4 && words[0] == "#" && words[1] == "TYPE") families.insert(words[2]);
  }
  return families;
}

class PrometheusTest : public testing::Test {
 protected:
  static ServerConfig Config() {
    ServerConfig config = TestConfig();
    config.metrics_listen = "127.0.0.1:0";
    return config;
  }
  PrometheusTest() {
    TestStream stream(server_.NewConnection(), SmallConfig(3));
    EXPECT_TRUE(stream.status().ok());
    EXPECT_TRUE(server_.WaitForMetric("videodiffcr_grpc_requests_total{code=\"OK\",method=\"StreamVideo\"}", 1));
  }

  TestServer server_{Config()};
  const TemporaryFolder folder_;
};

TEST_F(PrometheusTest, APrometheusThatScrapesTheServerKnowsEveryFamily) {
  const std::string config = folder_.Write(
      "prometheus.yml",
      absl::StrCat(
          "global:\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\nscrape_configs:\n  - job_name: videodiffcr\n",
          "    static_configs:\n      - targets: ['127.0.0.1:", server_.server().metrics_port(), "']\n"));
  const int port = FreeLoopbackPort();
  Process prometheus(
      {"prometheus", absl::StrCat("--config.file=", config), absl::StrCat("--storage.tsdb.path=", folder_.Path("data")),
       absl::StrCat("--web.listen-address=127.0.0.1:", port)},
      folder_.Path("log"));
  std::set<std::string> wanted;
  for (const std::string& family : FamiliesOf(server_.Scrape())) {
    const bool histogram = server_.Scrape().find(family + "_bucket") != std::string::npos;
    wanted.insert(histogram ? family + "_count" : family);
  }
  ASSERT_GT(wanted.size(), 40u);
  // Prometheus tells nobody when it has scraped, so it is asked until it knows.
  std::set<std::string> known;
  for (const absl::Time deadline = absl::Now() + absl::Seconds(60); absl::Now() < deadline; std::this_thread::yield()) {
    const auto answer = nlohmann::json::parse(HttpGet(port, "/api/v1/label/__name__/values"), nullptr, false);
    if (answer.is_discarded() || answer.value("status", "") != "success") continue;
    known = answer["data"].get<std::set<std::string>>();
    if (std::includes(known.begin(), known.end(), wanted.begin(), wanted.end())) break;
  }
  EXPECT_THAT(known, IsSupersetOf(wanted)) << ReadFile(folder_.Path("log"));
  double chunks = 0;
  for (const absl::Time deadline = absl::Now() + absl::Seconds(60); chunks == 0 && absl::Now() < deadline;) {
    const auto answer =
        nlohmann::json::parse(HttpGet(port, "/api/v1/query?query=sum(videodiffcr_chunks_total)"), nullptr, false);
    if (answer.is_discarded() || !answer.contains("data") || answer["data"]["result"].empty()) continue;
    chunks = std::stod(answer["data"]["result"][0]["value"][1].get<std::string>());
  }
  EXPECT_EQ(chunks, 3);
}

TEST_F(PrometheusTest, PromtoolHasNothingToSayAboutTheMetrics) {
  const std::string metrics = folder_.Write("metrics", server_.Scrape());
  const Finished promtool = RunProgram({"sh", "-c", absl::StrCat("promtool check metrics < ", metrics)});
  EXPECT_EQ(promtool.status, 0) << promtool.output;
  EXPECT_EQ(promtool.output, "");
}

TEST_F(PrometheusTest, TheMetricsPageOfTheDocumentationHasExactlyTheFamiliesOfAScrape) {
  std::set<std::string> documented;
  const std::string page = ReadFile(SourcePath("docs/metrics.md"));
  for (absl::string_view line : absl::StrSplit(page, '\n')) {
    if (line.substr(0, 3) != "| `") continue;
    std::string name(line.substr(3, line.find_first_of("`{", 3) - 3));
    documented.insert(name.rfind("process_", 0) == 0 ? name : "videodiffcr_" + name);
  }
  std::set<std::string> scraped;
  for (const std::string& family : FamiliesOf(server_.Scrape())) {
    scraped.insert(family);
  }
  EXPECT_EQ(documented, scraped);
}

}  // namespace
}  // namespace videodiffcr
