// The first bytes of a TLS connection, for whoever only wants to see whether TLS answers.
#ifndef VIDEODIFFCR_SERVER_SOCKETS_TLS_GREETING_H_
#define VIDEODIFFCR_SERVER_SOCKETS_TLS_GREETING_H_

#include <string>

namespace videodiffcr {

// A ClientHello that offers HTTP/2. Empty when OpenSSL makes none, for want of memory.
std::string TlsGreeting();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_SOCKETS_TLS_GREETING_H_
