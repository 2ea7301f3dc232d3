// HTTP as a test speaks it: plain bytes over a socket to this machine.
#ifndef VIDEODIFFCR_TESTS_GATEWAY_HTTP_CLIENT_H_
#define VIDEODIFFCR_TESTS_GATEWAY_HTTP_CLIENT_H_

#include <map>
#include <string>

#include "server/sockets/descriptor.h"

namespace videodiffcr {

struct HttpAnswer {
  int status = 0;                              // 0: the connection ended first
  std::map<std::string, std::string> headers;  // by lower-case name
  std::string body;                            // HTTP's chunks taken apart
};

// One connection. Reads wait until what they want is there or the peer has closed.
class HttpClient {
 public:
  explicit HttpClient(int port);

  void Send(const std::string& bytes);
  // A whole request; a body makes it a POST with a length, unless `method` says otherwise.
  void Request(const std::string& method, const std::string& target, const std::string& body = "",
               const std::string& more_headers = "");
  // The status and headers of the next answer.
  HttpAnswer ReadHead();
  // The next piece of a body in HTTP's chunks; empty at its end.
  std::string ReadChunk();
  // Head and body, by its length or its chunks or to the end of the connection.
  HttpAnswer ReadAnswer();
  // Whether the peer has closed, once it has; what it still sends is dropped.
  bool WaitForEnd();

 private:
  bool Fill();
  std::string ReadLine();
  std::string ReadBytes(size_t count);

  Descriptor socket_;
  std::string buffer_;
};

// A request on a connection of its own.
HttpAnswer Call(int port, const std::string& method, const std::string& target, const std::string& body = "",
                const std::string& more_headers = "");

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_GATEWAY_HTTP_CLIENT_H_
