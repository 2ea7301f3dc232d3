#include "gateway/gateway.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "gateway/error_response.h"
#include "gateway/message_json.h"
#include "gateway/page_files.h"
#include "server/sockets/host_port.h"
#include "system/port_file.h"
#include "system/range_check.h"

namespace videodiffcr {
namespace {

constexpr int kWorkers = 4;
constexpr int kReaders = 2;
constexpr size_t kMaxWaitingWork = 256;
constexpr int kSecondsBetweenJobSweeps = 60;
constexpr absl::Duration kLongestJobKeep = absl::Hours(3653 * 24);  // ten years: seconds are counted in 64 bits

// Everything from here and nothing inline; video comes through Media Source Extensions, hence blob:.
constexpr char kContentSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// A value of gRPC's metadata must be printable ASCII.
bool IsPrintable(absl::string_view text) {
  for (char c : text) {
    if (c < 0x20 || c > 0x7e) return false;
  }
  return true;
}

// What browsers send is compared with it as it is: no path, not even a slash.
absl::Status CheckOrigin(const std::string& origin) {
  const size_t scheme_end = origin.find("://");
  if (origin.empty() || origin == "*") return absl::OkStatus();
  if (scheme_end != std::string::npos && scheme_end > 0 && origin.size() > scheme_end + 3 &&
      !absl::StrContains(origin.substr(scheme_end + 3), "/")) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "allow_origin is '", origin, "'; it must be a scheme and a host, for example https://example.org, or *"));
}

// "http://localhost:8080" and "localhost:8080".
bool IsSameOrigin(absl::string_view origin, absl::string_view host) {
  const size_t scheme_end = origin.find("://");
  return scheme_end != absl::string_view::npos && absl::EqualsIgnoreCase(origin.substr(scheme_end + 3), host);
}

// What may be asked of a path, as an Allow header has it; empty where there is nothing.
const char* MethodsOf(const std::vector<std::string>& path) {
  const std::string first = path.empty() ? "index.html" : path[0];
  if (first == "live") return path.size() == 1 ? "POST" : path.size() == 2 ? "GET, HEAD" : "GET, HEAD, POST";
  if (first == "v1" && path.size() > 1 && path[1] == "videos") {
    return path.size() == 2 ? "GET, HEAD, POST" : path.size() == 3 ? "GET, HEAD, DELETE" : "GET, HEAD";
  }
  const bool is_there = first == "info" || first == "healthz" || FindPageFile(first) != nullptr;
  return is_there && path.size() <= 1 ? "GET, HEAD" : "";
}

HttpResponse WrongMethod(const std::string& method, const char* allowed) {
  HttpResponse response =
      ErrorResponse(GatewayError(absl::StatusCode::kInvalidArgument, "METHOD_NOT_ALLOWED",
                                 absl::StrCat("this takes ", allowed, ", not ", method.substr(0, 20))));
  response.status = 405;
  response.headers.emplace_back("Allow", allowed);
  return response;
}

const char* RouteName(const HttpRequest& request) {
  if (request.path.empty()) return "page";
  if (request.path[0] == "info") return "info";
  if (request.path[0] == "v1") return "videos";
  if (request.path[0] != "live") return FindPageFile(request.path[0]) != nullptr ? "page" : "other";
  if (request.path.size() < 3) return "live";
  return request.method == "POST" ? "control" : "watch";
}

}  // namespace

absl::Status GatewayConfig::Validate() const {
  const absl::Duration least_time = absl::Milliseconds(10);
  const absl::Duration most_time = absl::Hours(24);
  const auto& chunks = live.limits.chunks;
  for (const absl::Status& status : {
           CheckRange("max_connections", http.max_connections, 1, 100'000),
           CheckRange("max_header_bytes", static_cast<int64_t>(http.max_header_bytes), 1024, 1 << 20),
           CheckRange("max_body_bytes", static_cast<int64_t>(http.max_body_bytes), 1024, 64 << 20),
           CheckRange("max_live_sessions", live.max_sessions, 0, 10'000),
           CheckRange("max_viewers", live.max_viewers, 0, 100'000),
           CheckRange("kept_chunks", static_cast<int64_t>(chunks.max_items), 1, 100'000),
           CheckRange("jobs_bytes", jobs.max_bytes, 1, int64_t{1} << 50),
           CheckRange("max_jobs", jobs.max_jobs, 1, 1'000'000),
           CheckRange("jobs_at_once", jobs_at_once, 1, 1000),
           CheckRange("max_waiting_jobs", max_waiting_jobs, 1, 100'000),
           CheckRange("kept_bytes", static_cast<int64_t>(chunks.max_bytes), 1, int64_t{1} << 40),
           CheckRange("keep_jobs", jobs.keep, absl::Seconds(1), kLongestJobKeep),
           CheckRange("request_timeout", http.request_timeout, least_time, most_time),
           CheckRange("send_timeout", http.send_timeout, least_time, most_time),
           CheckRange("answer_timeout", http.answer_timeout, least_time, most_time),
           CheckRange("abandoned_after", live.abandoned_after, least_time, most_time),
           CheckRange("keep_ended", live.keep_ended, least_time, most_time),
           CheckRange("server_patience", server_patience, least_time, most_time),
           CheckListenAddress("listen", http.listen),
           metrics_listen.empty() ? absl::OkStatus() : CheckListenAddress("metrics_listen", metrics_listen),
           CheckOrigin(allow_origin),
       }) {
    if (!status.ok()) return status;
  }
  if (servers.empty()) return absl::InvalidArgumentError("server names none; it must be HOST:PORT at least once");
  return absl::OkStatus();
}

Gateway::Gateway(const GatewayConfig& config, ServerList servers, const Clock* clock)
    : config_(config),
      metrics_(&registry_),
      clock_(clock),
      servers_(std::move(servers), config.server_patience),
      sessions_(config.live, clock, &servers_, &metrics_),
      live_(&sessions_, &workers_, &metrics_),
      workers_(kWorkers, kMaxWaitingWork),
      readers_(kReaders, 2 * static_cast<size_t>(config.http.max_connections)) {}

Gateway::~Gateway() {
  if (http_ != nullptr) http_->Stop();
  sessions_.Stop();  // their threads hand work to the workers
}

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Create(const GatewayConfig& config, const Clock* clock) {
  absl::StatusOr<ServerList> servers = ServerList::Make(absl::StrJoin(config.servers, ","), config.server_security);
  if (!servers.ok()) return servers.status();
  auto gateway = absl::WrapUnique(new Gateway(config, *std::move(servers), clock));
  for (const auto step : {&Gateway::OpenJobs, &Gateway::Listen}) {
    if (absl::Status status = (gateway.get()->*step)(); !status.ok()) return status;
  }
  return gateway;
}

absl::Status Gateway::OpenJobs() {
  absl::StatusOr<std::unique_ptr<JobStore>> store = JobStore::Open(
      config_.jobs, [] { return absl::ToUnixSeconds(absl::Now()); }, clock_, &metrics_);
  if (!store.ok()) return store.status();
  job_store_ = *std::move(store);
  job_runner_ = std::make_unique<JobRunner>(config_.jobs_at_once, static_cast<size_t>(config_.max_waiting_jobs),
                                            &servers_, job_store_.get());
  job_routes_ = std::make_unique<JobRoutes>(job_store_.get(), job_runner_.get(), &readers_);
  return absl::OkStatus();
}

void Gateway::EverySecond() {
  sessions_.Sweep();
  if (++seconds_ % kSecondsBetweenJobSweeps != 0) return;
  (void)workers_.Run([this] { job_store_->Sweep(); });  // another time, when they are busy
}

absl::Status Gateway::Listen() {
  HttpObserver observer;
  observer.on_connections = [this](int open) { metrics_.connections->Set(open); };
  observer.on_sent = [this](int64_t bytes) { metrics_.sent_bytes->Increment(static_cast<double>(bytes)); };
  observer.on_second = [this] { EverySecond(); };
  const auto handler = [this](HttpRequest request, const HttpReply& reply) { Handle(std::move(request), reply); };
  absl::StatusOr<std::unique_ptr<HttpServer>> http = HttpServer::Start(config_.http, handler, observer);
  if (!http.ok()) return http.status();
  http_ = *std::move(http);
  if (!config_.metrics_listen.empty()) {
    absl::StatusOr<std::unique_ptr<MetricsEndpoint>> endpoint =
        MetricsEndpoint::Create(config_.metrics_listen, &registry_);
    if (!endpoint.ok()) return endpoint.status();
    metrics_endpoint_ = *std::move(endpoint);
  }
  if (config_.port_file.empty()) return absl::OkStatus();
  return WritePortFile(config_.port_file, {{"http_port", port()}, {"metrics_port", metrics_port()}});
}

void Gateway::Handle(HttpRequest request, const HttpReply& reply) {
  std::string origin(request.Header("origin"));
  const bool foreign_is_welcome =
      !config_.allow_origin.empty() && (config_.allow_origin == "*" || config_.allow_origin == origin);
  const HttpReply counted = [this, reply, route = RouteName(request), foreign_is_welcome](HttpResponse response) {
    metrics_.CountRequest(route, response.status);
    response.headers.emplace_back("X-Content-Type-Options", "nosniff");
    response.headers.emplace_back("Referrer-Policy", "no-referrer");
    if (foreign_is_welcome) {
      response.headers.emplace_back("Access-Control-Allow-Origin", config_.allow_origin);
      response.headers.emplace_back("Access-Control-Allow-Headers", "authorization, content-type, last-event-id");
      response.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, DELETE");
      response.headers.emplace_back("Vary", "Origin");
    } else {
      response.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
    }
    reply(std::move(response));
  };
  if (absl::Status status = CheckRequest(request, foreign_is_welcome); !status.ok()) {
    return counted(ErrorResponse(status));
  }
  Route(request, counted);
}

absl::Status Gateway::CheckRequest(const HttpRequest& request, bool foreign_is_welcome) const {
  if (!IsPrintable(request.Header("authorization"))) {
    return GatewayError(absl::StatusCode::kInvalidArgument, "MALFORMED_REQUEST",
                        "the Authorization header must be printable ASCII");
  }
  const absl::string_view origin = request.Header("origin");
  if (!foreign_is_welcome && !origin.empty() && request.method != "GET" &&
      !IsSameOrigin(origin, request.Header("host"))) {
    return GatewayError(absl::StatusCode::kPermissionDenied, "FOREIGN_ORIGIN",
                        "pages of other origins may not call this gateway; --allow-origin names one that may");
  }
  return absl::OkStatus();
}

void Gateway::Route(const HttpRequest& request, HttpReply reply) {
  if (request.method == "OPTIONS") {
    HttpResponse nothing;
    nothing.status = 204;
    nothing.content_type.clear();
    return reply(std::move(nothing));
  }
  const char* const allowed = MethodsOf(request.path);
  const std::vector<std::string> methods = absl::StrSplit(allowed, ", ", absl::SkipEmpty());
  if (!methods.empty() && std::find(methods.begin(), methods.end(), request.method) == methods.end()) {
    return reply(WrongMethod(request.method, allowed));
  }
  const std::string first = request.path.empty() ? "index.html" : request.path[0];
  if (first == "live") return live_.Handle(request, std::move(reply));
  if (first == "info" && request.path.size() == 1 && request.method == "GET") {
    return SendInfo(request, std::move(reply));
  }
  if (first == "v1") {
    const auto work = [this, request, reply] { reply(job_routes_->Handle(request)); };
    if (!workers_.Run(work)) reply(ErrorResponse(Busy()));
    return;
  }
  if (first == "healthz" && request.path.size() == 1) return reply(JsonResponse(200, {{"ok", true}}));
  const PageFile* file = request.path.size() <= 1 && request.method == "GET" ? FindPageFile(first) : nullptr;
  if (file == nullptr) {
    return reply(ErrorResponse(GatewayError(absl::StatusCode::kNotFound, "NOT_FOUND",
                                            "there is nothing here; docs/gateway.md lists what there is")));
  }
  HttpResponse response;
  response.content_type = std::string(file->content_type);
  response.headers.emplace_back("Content-Security-Policy", kContentSecurityPolicy);
  response.headers.emplace_back("Cache-Control", "no-cache");
  response.body = std::string(file->bytes);
  reply(std::move(response));
}

void Gateway::SendInfo(const HttpRequest& request, HttpReply reply) {
  const auto work = [this, reply, authorization = std::string(request.Header("authorization"))] {
    const absl::StatusOr<std::unique_ptr<VideoClient>> client = servers_.Client();
    if (!client.ok()) return reply(ErrorResponse(client.status()));
    const absl::StatusOr<v1::GetServerInfoResponse> info = (*client)->GetServerInfo(authorization);
    reply(info.ok() ? JsonResponse(200, MessageJson(*info)) : ErrorResponse(info.status()));
  };
  if (!workers_.Run(work)) reply(ErrorResponse(Busy()));
}

}  // namespace videodiffcr
