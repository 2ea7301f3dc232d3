#include "gateway/http/http_connection.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "gateway/http/target.h"

namespace videodiffcr {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

// What the system keeps of a viewer who does not read: enough for a round trip, and little to skip.
constexpr int kSendBufferBytes = 128 << 10;
constexpr size_t kMaxIgnoredBytes = 8 << 10;

constexpr std::chrono::seconds kLingerTime{2};
constexpr size_t kMaxLingerBytes = 1 << 20;

std::chrono::nanoseconds Nanoseconds(absl::Duration duration) { return absl::ToChronoNanoseconds(duration); }

absl::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

HttpRequest ToRequest(Target target, const http::request<http::string_body>& message) {
  HttpRequest request;
  request.method = std::string(message.method() == http::verb::head ? "GET" : View(message.method_string()));
  request.path = std::move(target.path);
  request.query = std::move(target.query);
  for (const auto& field : message) {
    request.headers[absl::AsciiStrToLower(View(field.name_string()))] = std::string(View(field.value()));
  }
  request.body = message.body();
  return request;
}

template <typename Message>
void SetHead(const HttpResponse& response, int version, bool keep_alive, Message* message) {
  message->version(version);
  message->result(static_cast<unsigned>(response.status));
  message->keep_alive(keep_alive);
  if (!response.content_type.empty()) message->set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) message->set(name, value);
}

}  // namespace

HttpConnection::HttpConnection(HttpShared* shared, asio::ip::tcp::socket socket, std::function<void()> on_end)
    : shared_(shared),
      stream_(std::move(socket)),
      on_end_(std::move(on_end)),
      buffer_(shared->options.max_header_bytes + shared->options.max_body_bytes),
      answer_timer_(shared->context),
      heartbeat_timer_(shared->context) {
  Error ignored;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  stream_.socket().set_option(asio::socket_base::send_buffer_size(kSendBufferBytes), ignored);
}

HttpConnection::~HttpConnection() { on_end_(); }

void HttpConnection::Refuse() {
  RefuseRequest(503, "TOO_MANY_CONNECTIONS", "more connections than --max-connections allows: try again later");
}

void HttpConnection::ReadRequest() {
  ++request_number_;
  reading_ = true;
  answered_ = false;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(shared_->options.max_header_bytes));
  parser_->body_limit(shared_->options.max_body_bytes);
  stream_.expires_after(Nanoseconds(shared_->options.request_timeout));
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](Error error, size_t) { self->OnRequest(error); });
}

void HttpConnection::OnRequest(Error error) {
  reading_ = false;
  if (!error) return Dispatch();
  keep_alive_ = false;
  if (error == http::error::body_limit) {
    return RefuseRequest(413, "BODY_TOO_LARGE",
                         absl::StrCat("the body is longer than ", shared_->options.max_body_bytes, " bytes"));
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return RefuseRequest(431, "HEADER_TOO_LARGE",
                         absl::StrCat("the header is longer than ", shared_->options.max_header_bytes, " bytes"));
  }
  const bool is_http = error.category() == http::make_error_code(http::error::end_of_stream).category();
  if (is_http && error != http::error::end_of_stream && error != http::error::partial_message) {
    return RefuseRequest(400, "MALFORMED_REQUEST", absl::StrCat("this is no HTTP/1.1 request: ", error.message()));
  }
  Close();
}

void HttpConnection::Dispatch() {
  const http::request<http::string_body>& message = parser_->get();
  keep_alive_ = message.keep_alive();
  head_only_ = message.method() == http::verb::head;
  version_ = message.version() == 10 ? 10 : 11;
  std::optional<Target> target = ParseTarget(View(message.target()));
  if (!target.has_value()) {
    return RefuseRequest(400, "MALFORMED_TARGET", "the target must be an absolute path, as in /live/ID/video.mp4");
  }
  stream_.expires_never();
  answer_timer_.expires_after(Nanoseconds(shared_->options.answer_timeout));
  answer_timer_.async_wait([self = shared_from_this(), number = request_number_](Error error) {
    if (error || self->answered_ || number != self->request_number_) return;
    self->RefuseRequest(504, "ANSWER_TIMEOUT", "the answer took too long");
  });
  // Weak: a connection ends on this thread, whoever holds the reply last. Until the answer the timer keeps it.
  const HttpReply reply = [weak = weak_from_this(), context = &shared_->context,
                           number = request_number_](HttpResponse response) {
    asio::post(*context, [weak, number, response = std::move(response)]() mutable {
      if (const auto self = weak.lock()) self->OnAnswer(number, std::move(response));
    });
  };
  shared_->handler(ToRequest(*std::move(target), message), reply);
}

void HttpConnection::RefuseRequest(int status, const std::string& reason, const std::string& message) {
  HttpResponse response;
  response.status = status;
  const char* code = status < 500 ? "INVALID_ARGUMENT" : status == 504 ? "DEADLINE_EXCEEDED" : "UNAVAILABLE";
  const char* type = status < 500 ? "invalid_request_error" : "server_error";
  // The texts are ours and need no escape.
  response.body =
      absl::StrCat("{\"error\":{\"code\":\"", reason, "\",\"message\":\"", message, "\",\"param\":null,\"reason\":\"",
                   reason, "\",\"status\":\"", code, "\",\"type\":\"", type, "\"}}\n");
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  keep_alive_ = keep_alive_ && status < 500;
  OnAnswer(request_number_, std::move(response));
}

void HttpConnection::OnAnswer(int request_number, HttpResponse response) {
  if (answered_ || request_number != request_number_) return;
  answered_ = true;
  answer_timer_.cancel();
  if (response.source != nullptr && !head_only_) return StartStream(std::move(response));
  SendWhole(std::move(response));
}

void HttpConnection::SendWhole(HttpResponse response) {
  whole_ = {};
  SetHead(response, version_, keep_alive_, &whole_);
  const int64_t bytes = response.source == nullptr ? static_cast<int64_t>(response.body.size()) : -1;
  if (!head_only_) whole_.body() = std::move(response.body);
  if (head_only_ && bytes >= 0) {
    whole_.content_length(bytes);
  } else if (head_only_ && response.source_bytes.has_value()) {
    whole_.content_length(*response.source_bytes);
  } else if (!head_only_) {
    whole_.prepare_payload();
  }
  stream_.expires_after(Nanoseconds(shared_->options.send_timeout));
  const auto serializer = std::make_shared<http::response_serializer<http::string_body>>(whole_);
  serializer->split(head_only_);
  const auto sent = [self = shared_from_this(), serializer](Error error, size_t bytes) {
    self->shared_->observer.on_sent(static_cast<int64_t>(bytes));
    if (error) return self->Close();
    if (!self->keep_alive_) return self->Linger();
    self->ReadRequest();
  };
  if (head_only_) {
    http::async_write_header(stream_, *serializer, sent);
  } else {
    http::async_write(stream_, *serializer, sent);
  }
}

void HttpConnection::StartStream(HttpResponse response) {
  streamed_ = std::move(response);
  SetHead(streamed_, version_, false, &stream_head_);
  if (streamed_.source_bytes.has_value()) {
    stream_head_.content_length(*streamed_.source_bytes);
  } else {
    stream_head_.chunked(version_ == 11);
  }
  serializer_ = std::make_unique<http::response_serializer<http::empty_body>>(stream_head_);
  stream_.expires_never();
  WatchForEnd();
  stream_.expires_after(Nanoseconds(shared_->options.send_timeout));
  writing_ = true;
  http::async_write_header(stream_, *serializer_, [self = shared_from_this()](Error error, size_t) {
    self->writing_ = false;
    if (error) return self->Close();
    self->AskForPiece();
    self->StartHeartbeat();
  });
}

// A viewer who leaves while nothing is sent would not be noticed otherwise.
void HttpConnection::WatchForEnd() {
  stream_.async_read_some(asio::buffer(ignored_), [self = shared_from_this()](Error error, size_t bytes) {
    if (error) return self->Close();
    self->ignored_bytes_ += bytes;
    if (self->ignored_bytes_ < kMaxIgnoredBytes) self->WatchForEnd();
  });
}

void HttpConnection::AskForPiece() {
  if (streamed_.source == nullptr) return;
  // Weak, as above; until the viewer leaves, WatchForEnd() keeps the connection.
  streamed_.source->Next([weak = weak_from_this(), context = &shared_->context](BodySource::Piece piece) {
    asio::post(*context, [weak, piece = std::move(piece)] {
      if (const auto self = weak.lock()) self->SendPiece(piece, true);
    });
  });
}

void HttpConnection::SendPiece(BodySource::Piece piece, bool asked) {
  if (streamed_.source == nullptr) return;  // closed meanwhile
  if (asked && piece == nullptr) source_ended_ = true;
  if (writing_) {
    if (asked) waiting_ = std::move(piece);
    return;
  }
  if (piece == nullptr) return SendLastPiece();
  writing_ = true;
  sending_ = std::move(piece);
  stream_.expires_after(Nanoseconds(shared_->options.send_timeout));
  const auto sent = [self = shared_from_this(), asked](Error error, size_t bytes) {
    self->OnPieceSent(asked, error, bytes);
  };
  if (stream_head_.chunked()) {
    asio::async_write(stream_, http::make_chunk(asio::buffer(*sending_)), sent);
  } else {
    asio::async_write(stream_, asio::buffer(*sending_), sent);
  }
}

void HttpConnection::OnPieceSent(bool asked, Error error, size_t bytes) {
  writing_ = false;
  sending_ = nullptr;
  shared_->observer.on_sent(static_cast<int64_t>(bytes));
  if (error) return Close();
  if (asked) {
    StartHeartbeat();
    return AskForPiece();
  }
  if (waiting_ != nullptr || source_ended_) SendPiece(std::exchange(waiting_, nullptr), true);
}

void HttpConnection::SendLastPiece() {
  streamed_.source = nullptr;
  if (!stream_head_.chunked()) return Close();
  stream_.expires_after(Nanoseconds(shared_->options.send_timeout));
  asio::async_write(stream_, http::make_chunk_last(), [self = shared_from_this()](Error, size_t) { self->Close(); });
}

void HttpConnection::StartHeartbeat() {
  if (streamed_.heartbeat.empty() || streamed_.source == nullptr) return;
  heartbeat_timer_.expires_after(Nanoseconds(streamed_.heartbeat_interval));
  heartbeat_timer_.async_wait([weak = weak_from_this()](Error error) {
    const std::shared_ptr<HttpConnection> self = weak.lock();
    if (error || self == nullptr) return;
    self->SendPiece(std::make_shared<const std::string>(self->streamed_.heartbeat), false);
    self->StartHeartbeat();
  });
}

void HttpConnection::Linger() {
  Error ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.expires_after(kLingerTime);
  ignored_bytes_ = 0;
  DropInput(kMaxLingerBytes);
}

void HttpConnection::DropInput(size_t most) {
  stream_.async_read_some(asio::buffer(ignored_), [self = shared_from_this(), most](Error error, size_t bytes) {
    self->ignored_bytes_ += bytes;
    if (error || self->ignored_bytes_ > most) return self->Close();
    self->DropInput(most);
  });
}

void HttpConnection::Close() {
  answer_timer_.cancel();
  heartbeat_timer_.cancel();
  streamed_.source = nullptr;
  Error ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  stream_.close();
}

}  // namespace videodiffcr
