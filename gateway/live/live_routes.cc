#include "gateway/live/live_routes.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gateway/error_response.h"
#include "gateway/live/live_sources.h"
#include "gateway/live/playlist.h"

namespace videodiffcr {
namespace {

constexpr char kEventStream[] = "text/event-stream";
constexpr char kMp4[] = "video/mp4";
constexpr char kPlaylist[] = "application/vnd.apple.mpegurl";

// Players want three segments before they begin (RFC 8216 section 6.3.3); Chromium's gives up on fewer.
constexpr int64_t kFirstSegments = 3;

// "init-7.mp4" with the ends "init-" and ".mp4" as 7.
std::optional<int64_t> NumberBetween(absl::string_view text, absl::string_view prefix, absl::string_view suffix) {
  int64_t number = 0;
  if (!absl::ConsumePrefix(&text, prefix) || !absl::ConsumeSuffix(&text, suffix) || !absl::SimpleAtoi(text, &number) ||
      number < 0) {
    return std::nullopt;
  }
  return number;
}

absl::Status NoSuchFile(const std::string& name) {
  return GatewayError(absl::StatusCode::kNotFound, "NOT_FOUND",
                      absl::StrCat("this live session has no '", name.substr(0, 100), "', or not any more"));
}

HttpResponse Bytes(const std::string& bytes, const char* type, const char* caching) {
  HttpResponse response;
  response.content_type = type;
  response.headers.emplace_back("Cache-Control", caching);
  response.body = bytes;
  return response;
}

// The number in a query or header, `otherwise` when it is not there or none.
int64_t NumberOr(absl::string_view text, int64_t otherwise) {
  int64_t number = 0;
  return absl::SimpleAtoi(text, &number) && number >= 0 ? number : otherwise;
}

int64_t QueryNumber(const HttpRequest& request, const std::string& name, int64_t otherwise) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? otherwise : NumberOr(found->second, otherwise);
}

}  // namespace

void LiveRoutes::Handle(const HttpRequest& request, HttpReply reply) {
  if (request.path.size() == 1 && request.method == "POST") return Start(request, std::move(reply));
  if (request.path.size() > 3) return reply(ErrorResponse(NoSuchFile(request.path[3])));
  const absl::StatusOr<std::shared_ptr<LiveSession>> session = sessions_->Find(request.path[1]);
  if (!session.ok()) return reply(ErrorResponse(session.status()));
  const std::string name = request.path.size() == 3 ? request.path[2] : "";
  if (request.method == "POST") return Control(*session, name, request, std::move(reply));
  if (name.empty()) return reply(JsonResponse(200, (*session)->Describe()));
  if (name == "video.mp4" || name == "events") return Watch(*session, name, request, reply);
  SendFile(*session, name, reply);
}

void LiveRoutes::Start(const HttpRequest& request, HttpReply reply) {
  absl::StatusOr<LiveRequest> wanted = ParseLiveRequest(request.body);
  if (!wanted.ok()) return reply(ErrorResponse(wanted.status()));
  const auto on_started = [reply](const absl::StatusOr<nlohmann::json>& described) {
    reply(described.ok() ? JsonResponse(201, *described) : ErrorResponse(described.status()));
  };
  const auto session = sessions_->Start(*std::move(wanted), std::string(request.Header("authorization")), on_started);
  if (!session.ok()) reply(ErrorResponse(session.status()));
}

void LiveRoutes::Control(const std::shared_ptr<LiveSession>& session, const std::string& name,
                         const HttpRequest& request, HttpReply reply) {
  absl::StatusOr<LiveControl> control = ParseLiveControl(name, request.body);
  if (!control.ok()) return reply(ErrorResponse(control.status()));
  if (!session->AllowsControl(request.Header("authorization"))) {
    return reply(ErrorResponse(GatewayError(absl::StatusCode::kPermissionDenied, "NOT_THE_OWNER",
                                            "only who started this live session may control it: send the same "
                                            "Authorization header as with POST /live")));
  }
  const auto work = [session, control = *std::move(control), reply] {
    const absl::StatusOr<bool> sent = session->Control(control);
    reply(sent.ok() ? JsonResponse(202, {{"accepted", true}, {"sent", *sent}}) : ErrorResponse(sent.status()));
  };
  if (!workers_->Run(work)) reply(ErrorResponse(Busy()));
}

void LiveRoutes::Watch(const std::shared_ptr<LiveSession>& session, const std::string& name, const HttpRequest& request,
                       const HttpReply& reply) {
  absl::StatusOr<std::shared_ptr<void>> place = sessions_->Watch(session);
  if (!place.ok()) return reply(ErrorResponse(place.status()));
  HttpResponse response;
  response.headers.emplace_back("Cache-Control", "no-store");
  if (name == "events") {
    // A browser that lost its connection says which event it had last.
    const int64_t last = NumberOr(request.Header("last-event-id"), QueryNumber(request, "from", 0) - 1);
    response.content_type = kEventStream;
    response.source = EventSource(session, *std::move(place), last + 1);
    response.heartbeat = ": still here\n\n";
  } else {
    const BroadcastLog<LiveChunk>::Snapshot kept = session->chunks().Look();
    const int64_t newest = std::max(session->chunks().next() - 1, int64_t{0});
    // As in /live/ID/video.mp4?from=live. Without a word: from the oldest chunk that is kept.
    const bool at_the_newest = request.query.count("from") > 0 && request.query.at("from") == "live";
    const int64_t from = at_the_newest ? newest : std::max(QueryNumber(request, "from", 0), kept.first);
    response.content_type = kMp4;
    response.source = VideoSource(session, *std::move(place), from, metrics_);
  }
  reply(std::move(response));
}

void LiveRoutes::SendFile(const std::shared_ptr<LiveSession>& session, const std::string& name,
                          const HttpReply& reply) {
  if (name == "index.m3u8") {
    if (session->chunks().next() >= kFirstSegments || session->ended()) {
      return reply(Bytes(MediaPlaylist(session->chunks().Look()), kPlaylist, "no-cache"));
    }
    if (!session->MayWaitForPlaylist()) return reply(ErrorResponse(Busy()));
    // On a worker: whoever lets go of a session last waits for its thread, which calls here.
    session->chunks().Wait(kFirstSegments - 1, [weak = std::weak_ptr(session), workers = workers_, reply](const auto&) {
      const bool taken = workers->Run([weak, reply] {
        const std::shared_ptr<LiveSession> waited_for = weak.lock();
        if (waited_for == nullptr) return reply(ErrorResponse(NoSuchFile("index.m3u8")));
        reply(Bytes(MediaPlaylist(waited_for->chunks().Look()), kPlaylist, "no-cache"));
      });
      if (!taken) reply(ErrorResponse(Busy()));
    });
    return;
  }
  const BroadcastLog<LiveChunk>::Snapshot kept = session->chunks().Look();
  if (const auto number = NumberBetween(name, "", ".m4s"); number.has_value()) {
    const int64_t place = *number - kept.first;
    if (place >= 0 && place < static_cast<int64_t>(kept.items.size())) {
      return reply(Bytes(kept.items[static_cast<size_t>(place)]->fragment, kMp4, "max-age=3600"));
    }
  }
  if (const auto number = NumberBetween(name, "init-", ".mp4"); number.has_value()) {
    for (const auto& chunk : kept.items) {
      if (chunk->init_chunk == *number) return reply(Bytes(*chunk->init, kMp4, "max-age=3600"));
    }
  }
  reply(ErrorResponse(NoSuchFile(name)));
}

}  // namespace videodiffcr
