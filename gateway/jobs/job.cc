#include "gateway/jobs/job.h"

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gateway/error_response.h"
#include "gateway/http/multipart.h"
#include "gateway/http/target.h"
#include "gateway/request_fields.h"
#include "proto/status_details.h"

namespace videodiffcr {
namespace {

constexpr double kMaxSeconds = 3600;

constexpr const char* kStates[] = {"queued", "in_progress", "completed", "failed"};

absl::Status MalformedForm(absl::string_view message) {
  return GatewayError(absl::StatusCode::kInvalidArgument, "MALFORMED_REQUEST", std::string(message));
}

// The fields of a form, whichever of the two kinds it is. nullopt: the body is no form. curl says "form" of all that it
// sends with -d, so what begins as JSON is none.
absl::StatusOr<std::optional<std::map<std::string, std::string>>> ReadForm(const HttpRequest& request) {
  std::map<std::string, std::string> fields;
  const absl::string_view type = request.Header("content-type");
  if (absl::StartsWithIgnoreCase(type, "multipart/form-data")) {
    const auto parts = ParseMultipart(type, request.body);
    if (!parts.ok()) return MalformedForm(parts.status().message());
    for (const FormPart& part : *parts) fields[part.name] = part.value;
    return fields;
  }
  const bool is_json = absl::StartsWith(absl::StripLeadingAsciiWhitespace(request.body), "{");
  if (is_json || !absl::StartsWithIgnoreCase(type, "application/x-www-form-urlencoded")) return std::nullopt;
  auto query = ParseQuery(request.body);
  if (!query.has_value()) return MalformedForm("the form has a broken percent sign or a control character");
  return query;
}

// A form has nothing but text: numbers are what looks like them.
std::string FormAsJson(const std::map<std::string, std::string>& form) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, value] : form) {
    double number = 0;
    if ((name == "budget" || name == "seconds") && absl::SimpleAtod(value, &number)) {
      object[name] = number;
    } else {
      object[name] = value;
    }
  }
  return JsonText(object);
}

// OpenAI's clients send "4", others 4.
void ReadSeconds(RequestFields* fields, double* out) {
  const nlohmann::json value = fields->Take("seconds");
  double seconds = *out;
  if (value.is_number()) seconds = value.get<double>();
  const bool is_text = value.is_string() && absl::SimpleAtod(value.get<std::string>(), &seconds);
  if (!value.is_null() && !value.is_number() && !is_text) seconds = -1;
  if (!(seconds > 0 && seconds <= kMaxSeconds)) {
    return fields->Fail("seconds", absl::StrCat("must be a number above 0, ", kMaxSeconds, " at most"));
  }
  *out = seconds;
}

}  // namespace

absl::StatusOr<JobRequest> ParseJobRequest(const HttpRequest& request) {
  const auto form = ReadForm(request);
  if (!form.ok()) return form.status();
  absl::StatusOr<RequestFields> fields = RequestFields::Parse(form->has_value() ? FormAsJson(**form) : request.body);
  if (!fields.ok()) return fields.status();
  JobRequest job;
  fields->Read("model", &job.model);
  fields->Read("prompt", &job.prompt);
  ReadSeconds(&*fields, &job.seconds);
  fields->Read("size", &job.size);
  fields->ReadSeed("seed", &job.seed);
  fields->Read("budget", 0, 1, &job.budget);
  if (fields->Has("input_reference")) fields->Fail("input_reference", "must be left out: videos begin from words here");
  (void)fields->Take("input_reference");
  if (absl::Status status = fields->Finish(); !status.ok()) return status;
  if (job.prompt.empty()) {
    return GatewayError(absl::StatusCode::kInvalidArgument, error_reason::kPromptEmpty,
                        "prompt must say what the video shows", "prompt");
  }
  return job;
}

nlohmann::json JobJson(const Job& job) {
  const auto moment = [](int64_t time) { return time == 0 ? nlohmann::json() : nlohmann::json(time); };
  return {{"id", job.id},
          {"object", "video"},
          {"model", job.request.model},
          {"status", kStates[static_cast<int>(job.state)]},
          {"progress", job.progress},
          {"created_at", job.created_at},
          {"completed_at", moment(job.completed_at)},
          {"expires_at", moment(job.expires_at)},
          {"prompt", job.request.prompt},
          {"seconds", absl::StrCat(job.request.seconds)},
          {"size", job.request.size},
          {"seed", absl::StrCat(job.request.seed)},
          {"remixed_from_video_id", nullptr},
          {"error", job.error}};
}

nlohmann::json StoredJob(const Job& job) {
  nlohmann::json stored = JobJson(job);
  stored["owner"] = job.owner;
  stored["budget"] = job.request.budget;
  return stored;
}

absl::StatusOr<Job> JobFromStored(const std::string& text) {
  absl::StatusOr<RequestFields> fields = RequestFields::Parse(text);
  if (!fields.ok()) return fields.status();
  Job job;
  std::string state;
  int64_t progress = 0;
  fields->Read("id", &job.id);
  fields->Read("owner", &job.owner);
  fields->Read("model", &job.request.model);
  fields->Read("status", &state);
  fields->Read("progress", 0, 100, &progress);
  fields->Read("created_at", 0, INT64_MAX, &job.created_at);
  fields->Read("completed_at", 0, INT64_MAX, &job.completed_at);
  fields->Read("expires_at", 0, INT64_MAX, &job.expires_at);
  fields->Read("prompt", &job.request.prompt);
  ReadSeconds(&*fields, &job.request.seconds);
  fields->Read("size", &job.request.size);
  fields->ReadSeed("seed", &job.request.seed);
  fields->Read("budget", 0, 1, &job.request.budget);
  job.error = fields->Take("error");
  for (const char* ignored : {"object", "remixed_from_video_id"}) (void)fields->Take(ignored);
  job.progress = static_cast<int>(progress);
  for (size_t i = 0; i < std::size(kStates); ++i) {
    if (state == kStates[i]) job.state = static_cast<Job::State>(i);
  }
  if (absl::Status status = fields->Finish(); !status.ok()) return status;
  return job;
}

}  // namespace videodiffcr
