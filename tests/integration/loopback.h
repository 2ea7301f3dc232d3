// Plain sockets to a server on this machine, for what gRPC would not send or is not spoken to.
#ifndef VIDEODIFFCR_TESTS_INTEGRATION_LOOPBACK_H_
#define VIDEODIFFCR_TESTS_INTEGRATION_LOOPBACK_H_

#include <string>
#include <string_view>

namespace videodiffcr {

// What a client of HTTP/2 says first, with settings that change nothing.
inline constexpr std::string_view kHttp2Greeting("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);

// A connected socket, which the caller closes; -1 when nobody listens.
int ConnectToLoopback(int port);

// Connects a socket that is there already; whether somebody listens.
bool ConnectToLoopback(int socket, int port);

// GET over HTTP/1.0: the body; empty when nobody answers.
std::string HttpGet(int port, const std::string& path);

// A port that was free a moment ago, for a program that cannot be asked which one it took; 0 when there is none.
int FreeLoopbackPort();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_INTEGRATION_LOOPBACK_H_
