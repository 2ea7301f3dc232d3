// Messages that are sent by half and never ended, in frames of HTTP/2 that no gRPC client would send.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "server/sockets/descriptor.h"
#include "tests/integration/loopback.h"
#include "tests/integration/session_messages.h"
#include "tests/integration/test_server.h"
#include "tests/integration/test_stream.h"

namespace videodiffcr {
namespace {

constexpr size_t kMessageBytes = (size_t{4} << 20) - 100;
constexpr size_t kFrameBytes = 16384;
enum FrameKind : uint8_t { kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6, kGoAway = 7, kWindow = 8 };

std::string BigEndian(uint64_t value, size_t bytes) {
  std::string text;
  for (size_t i = bytes; i-- > 0;) text.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  return text;
}

uint32_t Number(std::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

std::string Frame(FrameKind kind, uint8_t flags, uint32_t stream, const std::string& payload) {
  return BigEndian(payload.size(), 3) + BigEndian(kind, 1) + BigEndian(flags, 1) + BigEndian(stream, 4) + payload;
}

std::string Header(const std::string& name, const std::string& value) {
  return std::string(1, '\0') + BigEndian(name.size(), 1) + name + BigEndian(value.size(), 1) + value;
}

// One connection with calls whose first messages lack their last byte.
class HalfSender {
 public:
  HalfSender(int port, uint32_t calls) : socket_(ConnectToLoopback(port)) {
    out_ = kHttp2Greeting;
    for (uint32_t stream = 1; stream < 2 * calls; stream += 2) {
      out_ +=
          Frame(kHeaders, 4, stream,
                Header(":method", "POST") + Header(":scheme", "http") +
                    Header(":path", "/videodiffcr.v1.VideoGenerationService/StreamVideo") + Header(":authority", "x") +
                    Header("te", "trailers") + Header("content-type", "application/grpc"));
      calls_[stream] = {};
    }
  }

  // Until the server ends a call or the connection, or has all bytes but the last of each call. Whether it ended one.
  bool SendUntilRefused() {
    while (!refused_ && sent_ < calls_.size() * kMessageBytes) {
      if (out_.empty()) AddData();
      pollfd wanted = {socket_.get(), static_cast<short>(POLLIN | (out_.empty() ? 0 : POLLOUT)), 0};
      if (poll(&wanted, 1, /*timeout=*/20'000) <= 0) return false;
      if ((wanted.revents & POLLOUT) != 0) {
        const ssize_t count = send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0) out_.erase(0, static_cast<size_t>(count));
      }
      if ((wanted.revents & (POLLIN | POLLERR | POLLHUP)) != 0) Hear();
    }
    return refused_;
  }
  size_t sent() const { return sent_; }

 private:
  struct Call {
    size_t sent = 0;
    int64_t window = 65535;
  };

  void AddData() {
    for (auto& [stream, call] : calls_) {
      const std::string prefix = call.sent == 0 ? std::string(1, '\0') + BigEndian(kMessageBytes + 1, 4) : "";
      const int64_t room = std::min(call.window, window_);
      const size_t bytes =
          std::min({kMessageBytes - call.sent, kFrameBytes, static_cast<size_t>(std::max<int64_t>(room, 0))});
      if (bytes <= prefix.size()) continue;
      out_ = Frame(kData, 0, stream, prefix + std::string(bytes - prefix.size(), '\0'));
      call.sent += bytes;
      sent_ += bytes;
      call.window -= static_cast<int64_t>(bytes);
      window_ -= static_cast<int64_t>(bytes);
      return;
    }
  }

  void Hear() {
    char block[65536];
    const ssize_t got = recv(socket_.get(), block, sizeof(block), MSG_DONTWAIT);
    if (got == 0) refused_ = true;
    if (got > 0) in_.append(block, static_cast<size_t>(got));
    while (in_.size() >= 9 && in_.size() >= 9 + Number(in_.substr(0, 3))) {
      const size_t bytes = Number(in_.substr(0, 3));
      Take(static_cast<FrameKind>(in_[3]), in_[4], Number(in_.substr(5, 4)), in_.substr(9, bytes));
      in_.erase(0, 9 + bytes);
    }
  }

  void Take(FrameKind kind, int flags, uint32_t stream, const std::string& payload) {
    if (kind == kReset || kind == kHeaders || kind == kGoAway) refused_ = true;
    if (kind == kPing && flags == 0) out_ += Frame(kPing, 1, 0, payload);
    if (kind == kWindow && stream == 0) window_ += Number(payload);
    if (kind == kWindow && stream != 0) calls_[stream].window += Number(payload);
    if (kind != kSettings || flags != 0) return;
    for (size_t i = 0; i + 6 <= payload.size(); i += 6) {
      if (Number(payload.substr(i, 2)) != 4) continue;  // the window that calls begin with
      const int64_t begin = Number(payload.substr(i + 2, 4));
      for (auto& [_, call] : calls_) call.window += begin - first_window_;
      first_window_ = begin;
    }
    out_ += Frame(kSettings, 1, 0, "");
  }

  const Descriptor socket_;
  std::string in_, out_;
  std::map<uint32_t, Call> calls_;
  int64_t window_ = 65535, first_window_ = 65535;
  size_t sent_ = 0;
  bool refused_ = false;
};

// Four such connections once took 782 MiB.
TEST(TransportMemoryTest, MessagesOnTheirWayShareWhatThereIsForThemAndBeyondItCallsEnd) {
  ServerConfig config = TestConfig();
  config.transport_memory_bytes = 16 << 20;
  config.rpc_limits.first_message_timeout = absl::Hours(1);
  TestServer server(config);
  {
    HalfSender sender(server.server().port(), 32);
    EXPECT_TRUE(sender.SendUntilRefused()) << "after " << sender.sent() << " bytes";
    EXPECT_LE(sender.sent(), size_t{64} << 20);
  }
  TestStream viewer(server.NewConnection(), SmallConfig(1));
  EXPECT_TRUE(viewer.status().ok()) << viewer.status().error_message();
}

}  // namespace
}  // namespace videodiffcr
