// Headers of a call that gRPC finds fault with: in whose messages and logs a peer's words may stand, and how.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/http_get.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "system/port_file.h"
#include "tests/e2e/server_process.h"
#include "tests/process/process.h"
#include "tests/system/read_file.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kComplaint[] = "Error parsing metadata";
constexpr char kGrpcsOwnLine[] = "hpack_parser.cc";
constexpr char kWords[] = "\x1B[2Jwords of a stranger";

constexpr char kHeadersFrame = 1;
constexpr char kSettingsFrame = 4;
constexpr char kEndOfStream = 1;
constexpr char kEndOfHeaders = 4;

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// A header as HPACK spells it without any compression.
std::string Header(const std::string& name, const std::string& value) {
  return absl::StrCat(std::string(1, '\0'), std::string(1, static_cast<char>(name.size())), name,
                      std::string(1, static_cast<char>(value.size())), value);
}

// One end of an HTTP/2 connection that says what gRPC's library would not.
class Http2End {
 public:
  explicit Http2End(int socket) : socket_(socket) {}
  ~Http2End() { close(socket_); }

  void Send(const std::string& bytes) { (void)send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  // Stream 0 is the connection's own.
  void SendFrame(char type, char flags, char stream, const std::string& payload) {
    const char head[] = {0, 0, static_cast<char>(payload.size()), type, flags, 0, 0, 0, stream};
    Send(std::string(head, sizeof(head)) + payload);
  }
  // The stream of the next frame of this type; nullopt when the other end closes first.
  std::optional<char> ReadUntilFrame(char type) {
    for (std::string head; head = Read(9), head.size() == 9;) {
      const auto byte = [&head](int i) { return static_cast<size_t>(static_cast<uint8_t>(head[i])); };
      Read(byte(0) << 16 | byte(1) << 8 | byte(2));
      if (head[3] == type) return head[8];
    }
    return std::nullopt;
  }
  std::string Read(size_t count) {
    std::string bytes(count, '\0');
    const ssize_t got = count == 0 ? 0 : recv(socket_, bytes.data(), count, MSG_WAITALL);
    bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return bytes;
  }

 private:
  const int socket_;
};

// A server whose answers have a status that is no number.
class OddServer {
 public:
  OddServer() {
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
    thread_ = std::thread([this] { Answer(); });
  }
  ~OddServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  const std::string& address() const { return address_; }

 private:
  void Answer() {
    const int socket = accept(listener_, nullptr, nullptr);
    if (socket < 0) return;
    Http2End client(socket);
    client.Read(24);  // the preface
    client.SendFrame(kSettingsFrame, 0, 0, "");
    while (const std::optional<char> stream = client.ReadUntilFrame(kHeadersFrame)) {
      client.SendFrame(kHeadersFrame, kEndOfHeaders, *stream,
                       Header(":status", "200") + Header("content-type", "application/grpc"));
      client.SendFrame(kHeadersFrame, kEndOfHeaders | kEndOfStream, *stream, Header("grpc-status", kWords));
    }
  }

  const int listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string address_;
  std::thread thread_;
};

TEST(PeersWordsTest, TheClientTellsThemAsAMessageOfItsOwnAndEscaped) {
  const OddServer server;
  const Finished info = RunProgram({BinaryPath("videodiffcr"), "info", "--server", server.address()});
  EXPECT_THAT(info.output, HasSubstr(absl::StrCat("videodiffcr: gRPC: ", kComplaint)));
  EXPECT_THAT(info.output, HasSubstr("value=\\x1b[2Jwords of a stranger\n"));
  EXPECT_THAT(info.output, Not(HasSubstr(kGrpcsOwnLine)));
}

TEST(PeersWordsTest, TheGatewaysLogSaysThatThereWereSomeAndNotWhich) {
  const OddServer server;
  const std::string port_file = TempPath("odd_gateway_port");
  Process gateway({BinaryPath("videodiffcr-gateway"), "--server=" + server.address(), "--listen=127.0.0.1:0",
                   "--metrics-listen=", "--port-file=" + port_file});
  ASSERT_TRUE(gateway.ReadUntil("serving HTTP")) << gateway.output();
  const absl::StatusOr<int> port = ReadPortFile(port_file, "http_port");
  ASSERT_TRUE(port.ok()) << port.status();
  (void)HttpGetPage(absl::StrCat("127.0.0.1:", *port), "/info", absl::Seconds(30));
  gateway.Signal(SIGTERM);
  EXPECT_EQ(gateway.Wait(), 0);
  EXPECT_THAT(gateway.output(), HasSubstr(absl::StrCat("warning ", kComplaint)));
  EXPECT_THAT(gateway.output(), Not(HasSubstr("stranger")));
  EXPECT_THAT(gateway.output(), Not(HasSubstr(kGrpcsOwnLine)));
  std::filesystem::remove(port_file);
}

// The server's log once a stranger has begun a call with a deadline that is none.
std::string LogOf(const std::vector<std::string>& flags) {
  ServerProcess server(flags);
  const sockaddr_in address = Loopback(std::stoi(server.address().substr(server.address().rfind(':') + 1)));
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  Http2End stranger(socket);
  stranger.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  stranger.SendFrame(kSettingsFrame, 0, 0, "");
  stranger.SendFrame(kHeadersFrame, kEndOfHeaders | kEndOfStream, 1,
                     Header(":method", "POST") + Header(":scheme", "http") + Header(":path", "/no/method") +
                         Header(":authority", "a") + Header("te", "trailers") +
                         Header("content-type", "application/grpc") + Header("grpc-timeout", kWords));
  EXPECT_TRUE(stranger.ReadUntilFrame(kHeadersFrame).has_value()) << "the answer";
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().Wait(), 0);
  return ReadFile(server.log_path());
}

TEST(PeersWordsTest, TheServersLogQuotesAStrangerOnlyIfItIsToldTo) {
  const std::string log = LogOf({});
  EXPECT_THAT(log, HasSubstr(kComplaint));
  EXPECT_THAT(log, Not(HasSubstr("stranger")));
  EXPECT_THAT(LogOf({"--log-prompts"}), HasSubstr("value=\\x1b[2Jwords of a stranger"));
}

}  // namespace
}  // namespace videodiffcr
