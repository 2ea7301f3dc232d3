// A gateway on a free port, and what its tests ask of it over HTTP. Before which servers it stands is the test's.
#ifndef VIDEODIFFCR_TESTS_GATEWAY_GATEWAY_FIXTURE_H_
#define VIDEODIFFCR_TESTS_GATEWAY_GATEWAY_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "gateway/gateway.h"
#include "nlohmann/json.hpp"
#include "tests/gateway/http_client.h"
#include "threading/clock.h"

namespace videodiffcr {

class GatewayTest : public ::testing::Test {
 protected:
  using Json = nlohmann::json;

  // `clock` may be a member of the test's own.
  explicit GatewayTest(const Clock* clock) : gateway_clock_(clock) {
    config_.http.listen = "127.0.0.1:0";
    config_.metrics_listen = "";
  }
  // Before the servers and the clock go.
  void TearDown() override { gateway_.reset(); }

  // Made as `config_` is by then, with the first use; again after gateway_.reset().
  Gateway& gateway() {
    if (gateway_ == nullptr) gateway_ = *Gateway::Create(config_, gateway_clock_);
    return *gateway_;
  }
  int port() { return gateway().port(); }

  HttpAnswer Ask(const std::string& method, const std::string& path, const std::string& body = "",
                 const std::string& headers = "") {
    return Call(port(), method, path, body, headers);
  }
  Json Get(const std::string& path) { return Json::parse(Ask("GET", path).body, nullptr, false); }

  // Asks again and again: another thread gets there.
  bool WaitFor(const std::string& path, const std::string& field, const std::string& value) {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (Get(path).value(field, "") != value) {
      if (absl::Now() > deadline) return false;
    }
    return true;
  }

  GatewayConfig config_;
  std::unique_ptr<Gateway> gateway_;

 private:
  const Clock* const gateway_clock_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_GATEWAY_GATEWAY_FIXTURE_H_
