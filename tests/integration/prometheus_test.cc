// A real Prometheus scrapes a real server; promtool and docs/metrics.md are further judges of what it finds.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/e2e/process.h"
#include "tests/integration/test_server.h"

namespace videodiffcr {
namespace {

using ::testing::IsEmpty;
using ::testing::IsSupersetOf;

// A port that was free a moment ago: Prometheus cannot be asked which one it took.
int FreePort() {
  const int file = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  bind(file, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(file, reinterpret_cast<sockaddr*>(&address), &size);
  close(file);
  return ntohs(address.sin_port);
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

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
    std::string pattern = (std::filesystem::temp_directory_path() / "videodiffcr_prometheus_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    auto stub = server_.NewStub();
    TestStream stream(stub.get());
    stream.SendConfig(SmallConfig(3));
    EXPECT_TRUE(stream.status().ok());
    EXPECT_TRUE(server_.WaitForMetric("videodiffcr_grpc_requests_total{code=\"OK\",method=\"StreamVideo\"}", 1));
  }
  ~PrometheusTest() override { std::filesystem::remove_all(folder_); }

  std::string Scrape() const { return ScrapeMetrics(server_.server().metrics_port()); }

  mutable TestServer server_{Config()};
  std::filesystem::path folder_;
};

// GET over HTTP/1.0 to this machine; the body, empty when nobody answers.
std::string HttpGet(int port, const std::string& path) {
  const int file = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(file, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: localhost\r\n\r\n");
    if (write(file, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
      char buffer[65536];
      for (ssize_t got; (got = read(file, buffer, sizeof(buffer))) > 0;)
        answer.append(buffer, static_cast<size_t>(got));
    }
  }
  close(file);
  const size_t body = answer.find("\r\n\r\n");
  return body == std::string::npos ? "" : answer.substr(body + 4);
}

TEST_F(PrometheusTest, APrometheusThatScrapesTheServerKnowsEveryFamily) {
  std::ofstream(folder_ / "prometheus.yml")
      << "global:\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\nscrape_configs:\n  - job_name: videodiffcr\n"
      << "    static_configs:\n      - targets: ['127.0.0.1:" << server_.server().metrics_port() << "']\n";
  const int port = FreePort();
  Process prometheus({"prometheus", absl::StrCat("--config.file=", (folder_ / "prometheus.yml").string()),
                      absl::StrCat("--storage.tsdb.path=", (folder_ / "data").string()),
                      absl::StrCat("--web.listen-address=127.0.0.1:", port)},
                     (folder_ / "log").string());
  std::set<std::string> wanted;
  for (const std::string& family : FamiliesOf(Scrape())) {
    const bool histogram = Scrape().find(family + "_bucket") != std::string::npos;
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
  EXPECT_THAT(known, IsSupersetOf(wanted)) << ReadFile(folder_ / "log");
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
  std::ofstream(folder_ / "metrics") << Scrape();
  const Finished promtool =
      RunProgram({"sh", "-c", absl::StrCat("promtool check metrics < ", (folder_ / "metrics").string())});
  EXPECT_EQ(promtool.status, 0) << promtool.output;
  EXPECT_EQ(promtool.output, "");
}

TEST_F(PrometheusTest, TheMetricsPageOfTheDocumentationHasExactlyTheFamiliesOfAScrape) {
  std::set<std::string> documented;
  const std::string page = ReadFile(std::filesystem::path(std::getenv("VIDEODIFFCR_SOURCE_DIR")) / "docs/metrics.md");
  for (absl::string_view line : absl::StrSplit(page, '\n')) {
    if (line.substr(0, 3) != "| `") continue;
    std::string name(line.substr(3, line.find_first_of("`{", 3) - 3));
    documented.insert(name.rfind("process_", 0) == 0 ? name : "videodiffcr_" + name);
  }
  std::set<std::string> scraped;
  for (const std::string& family : FamiliesOf(Scrape())) {
    if (family.rfind("exposer_", 0) != 0) scraped.insert(family);  // prometheus-cpp's own
  }
  EXPECT_EQ(documented, scraped);
}

}  // namespace
}  // namespace videodiffcr
