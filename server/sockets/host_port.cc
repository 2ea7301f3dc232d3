#include "server/sockets/host_port.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

bool IsHost(absl::string_view host, bool bracketed) {
  for (const char c : host) {
    const bool allowed = absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_' ||
                         (bracketed && (c == ':' || c == '%'));
    if (!allowed) return false;
  }
  return !host.empty();
}

}  // namespace

std::optional<HostPort> ParseHostPort(absl::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return std::nullopt;
  absl::string_view host = address.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  HostPort parsed{std::string(host)};
  const absl::string_view port = address.substr(colon + 1);
  const bool digits = std::all_of(port.begin(), port.end(), absl::ascii_isdigit);  // no sign, no blanks
  const bool valid = IsHost(host, bracketed) && digits && absl::SimpleAtoi(port, &parsed.port) && parsed.port <= 65535;
  if (!valid) return std::nullopt;
  return parsed;
}

absl::Status CheckListenAddress(absl::string_view field, absl::string_view address) {
  if (ParseHostPort(address).has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " is '", address,
                                                 "'; it must be host:port, for example 127.0.0.1:0 for a free port, or "
                                                 "[::1]:50051; lists and unix sockets are not served"));
}

absl::StatusOr<std::string> JoinIpPort(const std::string& ip, int port) {
  std::array<unsigned char, sizeof(in6_addr)> bytes = {};
  std::array<char, INET6_ADDRSTRLEN> text = {};
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, ip.c_str(), bytes.data()) != 1) continue;
    inet_ntop(family, bytes.data(), text.data(), text.size());
    return family == AF_INET ? absl::StrCat(text.data(), ":", port) : absl::StrCat("[", text.data(), "]:", port);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("advertised_ip is '", ip, "'; it must be an IP address without a port, for example 10.1.2.3"));
}

}  // namespace videodiffcr
