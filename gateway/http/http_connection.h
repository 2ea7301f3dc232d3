// One connection of HttpServer. For http_server.cc alone: it brings Boost along.
#ifndef VIDEODIFFCR_GATEWAY_HTTP_HTTP_CONNECTION_H_
#define VIDEODIFFCR_GATEWAY_HTTP_HTTP_CONNECTION_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "gateway/http/http_message.h"
#include "gateway/http/http_server.h"

namespace videodiffcr {

// What all connections of a server share; outlives them.
struct HttpShared {
  HttpServerOptions options;
  HttpHandler handler;
  HttpObserver observer;
  boost::asio::io_context context{1};  // last: its connections go first, and tell the observer
};

// All of it on the server's one thread. Kept alive by the operation that is pending; destroyed when none is.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(HttpShared* shared, boost::asio::ip::tcp::socket socket, std::function<void()> on_end);
  ~HttpConnection();

  // Serves requests until one side has enough.
  void Start() { ReadRequest(); }
  // Answers 503 and ends.
  void Refuse();
  // Whether it has never asked for anything: no request has come whole yet.
  bool silent() const { return reading_ && request_number_ == 1; }
  void Close();

 private:
  using Error = boost::system::error_code;

  void ReadRequest();
  void OnRequest(Error error);
  void Dispatch();
  void RefuseRequest(int status, const std::string& reason, const std::string& message);
  void OnAnswer(int request_number, HttpResponse response);

  void SendWhole(HttpResponse response);
  void StartStream(HttpResponse response);
  void WatchForEnd();
  void AskForPiece();
  void SendPiece(BodySource::Piece piece, bool asked);
  void OnPieceSent(bool asked, Error error, size_t bytes);
  void SendLastPiece();
  void StartHeartbeat();
  // Ends once the peer has read the answer: closing over unread bytes would take it back.
  void Linger();
  void DropInput(size_t most);

  HttpShared* const shared_;
  boost::beast::tcp_stream stream_;
  const std::function<void()> on_end_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  boost::asio::steady_timer answer_timer_;
  int request_number_ = 0;  // answers of an earlier one are dropped
  bool reading_ = false;
  bool answered_ = false;
  bool keep_alive_ = false;
  bool head_only_ = false;
  int version_ = 11;
  boost::beast::http::response<boost::beast::http::string_body> whole_;

  // --- of an answer from a source ---
  HttpResponse streamed_;
  boost::beast::http::response<boost::beast::http::empty_body> stream_head_;
  std::unique_ptr<boost::beast::http::response_serializer<boost::beast::http::empty_body>> serializer_;
  boost::asio::steady_timer heartbeat_timer_;
  bool writing_ = false;
  BodySource::Piece sending_;  // until its last byte has left
  BodySource::Piece waiting_;  // came while a heartbeat was on its way
  bool source_ended_ = false;
  char ignored_[4096];  // what a viewer says while it is sent to
  size_t ignored_bytes_ = 0;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_HTTP_HTTP_CONNECTION_H_
