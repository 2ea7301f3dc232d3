#include "gateway/jobs/job_routes.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gateway/error_response.h"
#include "gateway/http/byte_range.h"
#include "gateway/http/file_source.h"
#include "proto/status_details.h"

namespace videodiffcr {
namespace {

constexpr int64_t kDefaultListed = 20;
constexpr int64_t kMaxListed = 100;

HttpResponse NotHere() {
  return ErrorResponse(GatewayError(absl::StatusCode::kNotFound, "NOT_FOUND",
                                    "there is nothing here; docs/gateway.md lists what there is"));
}

std::string QueryText(const HttpRequest& request, const std::string& name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? "" : found->second;
}

}  // namespace

HttpResponse JobRoutes::Handle(const HttpRequest& request) {
  const std::string owner = OwnerOf(request.Header("authorization"));
  const size_t parts = request.path.size();
  if (parts < 2 || parts > 4 || request.path[1] != "videos") return NotHere();
  if (parts == 2 && request.method == "POST") return Create(request, owner);
  if (parts == 2 && request.method == "GET") return List(request, owner);
  if (parts == 3 && request.method == "DELETE") return Delete(request.path[2], owner);
  if (parts == 4 && request.method == "GET" && request.path[3] == "content") {
    return Content(request, request.path[2], owner);
  }
  if (parts != 3 || request.method != "GET") return NotHere();
  const absl::StatusOr<Job> job = store_->Get(request.path[2], owner);
  return job.ok() ? JsonResponse(200, JobJson(*job)) : ErrorResponse(job.status());
}

HttpResponse JobRoutes::Create(const HttpRequest& request, const std::string& owner) {
  const absl::StatusOr<JobRequest> wanted = ParseJobRequest(request);
  if (!wanted.ok()) return ErrorResponse(wanted.status());
  const absl::StatusOr<Job> job = store_->Add(*wanted, owner);
  if (!job.ok()) return ErrorResponse(job.status());
  if (absl::Status status = runner_->Start(*job, std::string(request.Header("authorization"))); !status.ok()) {
    (void)store_->Delete(job->id, owner);
    return ErrorResponse(status);
  }
  return JsonResponse(200, JobJson(*job));
}

HttpResponse JobRoutes::List(const HttpRequest& request, const std::string& owner) const {
  int64_t limit = kDefaultListed;
  const std::string limit_text = QueryText(request, "limit");
  if (!limit_text.empty() && (!absl::SimpleAtoi(limit_text, &limit) || limit < 1 || limit > kMaxListed)) {
    return ErrorResponse(GatewayError(absl::StatusCode::kInvalidArgument, error_reason::kOutOfRange,
                                      absl::StrCat("limit must be a whole number from 1 to ", kMaxListed), "limit"));
  }
  std::vector<Job> jobs = store_->List(owner);
  if (QueryText(request, "order") != "asc") std::reverse(jobs.begin(), jobs.end());
  const std::string after = QueryText(request, "after");
  const auto begin = after.empty()
                         ? jobs.begin()
                         : std::find_if(jobs.begin(), jobs.end(), [&](const Job& job) { return job.id == after; });
  nlohmann::json data = nlohmann::json::array();
  auto job = begin == jobs.end() || after.empty() ? begin : std::next(begin);
  for (; job != jobs.end() && static_cast<int64_t>(data.size()) < limit; ++job) data.push_back(JobJson(*job));
  nlohmann::json list = {
      {"object", "list"}, {"has_more", job != jobs.end()}, {"first_id", nullptr}, {"last_id", nullptr}};
  if (!data.empty()) {
    list["first_id"] = data.front()["id"];
    list["last_id"] = data.back()["id"];
  }
  list["data"] = std::move(data);
  return JsonResponse(200, list);
}

HttpResponse JobRoutes::Delete(const std::string& id, const std::string& owner) {
  if (absl::Status status = store_->Delete(id, owner); !status.ok()) return ErrorResponse(status);
  runner_->Cancel(id);
  return JsonResponse(200, {{"id", id}, {"object", "video.deleted"}, {"deleted", true}});
}

HttpResponse JobRoutes::Content(const HttpRequest& request, const std::string& id, const std::string& owner) const {
  const absl::StatusOr<Job> job = store_->Get(id, owner);
  if (!job.ok()) return ErrorResponse(job.status());
  if (job->state != Job::State::kCompleted) {
    return ErrorResponse(GatewayError(absl::StatusCode::kFailedPrecondition, "NOT_COMPLETED",
                                      "this video is not completed: ask for its status first"));
  }
  const std::string variant = QueryText(request, "variant");
  if (!variant.empty() && variant != "video") {
    return ErrorResponse(GatewayError(absl::StatusCode::kInvalidArgument, error_reason::kUnsupportedValue,
                                      "variant must be video: there are no others", "variant"));
  }
  HttpResponse response;
  response.content_type = "video/mp4";
  response.headers = {{"Accept-Ranges", "bytes"}, {"ETag", absl::StrCat("\"", id, "\"")}, {"Cache-Control", "private"}};
  const ByteRange range = ParseByteRange(request.Header("range"), job->bytes);
  if (range.kind == ByteRange::Kind::kUnsatisfiable) {
    HttpResponse refusal = ErrorResponse(GatewayError(absl::StatusCode::kOutOfRange, error_reason::kOutOfRange,
                                                      "the range begins behind the end of the video", "Range"));
    refusal.status = 416;
    refusal.headers.emplace_back("Content-Range", absl::StrCat("bytes */", job->bytes));
    return refusal;
  }
  absl::StatusOr<std::shared_ptr<BodySource>> source =
      OpenFileSource(store_->VideoPath(id), range.first, range.count,
                     [readers = readers_](std::function<void()> work) { return readers->Run(std::move(work)); });
  if (!source.ok()) return ErrorResponse(source.status());
  if (range.kind == ByteRange::Kind::kPart) {
    response.status = 206;
    response.headers.emplace_back(
        "Content-Range", absl::StrCat("bytes ", range.first, "-", range.first + range.count - 1, "/", job->bytes));
  }
  response.source = *std::move(source);
  response.source_bytes = range.count;
  return response;
}

}  // namespace videodiffcr
