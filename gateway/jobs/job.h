// A video that is made into a file: what /v1/videos speaks of.
#ifndef VIDEODIFFCR_GATEWAY_JOBS_JOB_H_
#define VIDEODIFFCR_GATEWAY_JOBS_JOB_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "gateway/http/http_message.h"
#include "nlohmann/json.hpp"

namespace videodiffcr {

struct JobRequest {
  std::string model;  // as asked for; told, not chosen by: a server has one model
  std::string prompt;
  double seconds = 4;  // of playing time; made up to whole chunks
  std::string size;    // "160x96"; empty: the model's
  uint64_t seed = 0;   // 0: the server picks one
  double budget = 1.0;
};

struct Job {
  enum class State { kQueued, kInProgress, kCompleted, kFailed };
  std::string id;
  std::string owner;  // a digest of the Authorization it came with
  JobRequest request;
  State state = State::kQueued;
  int progress = 0;        // percent
  int64_t created_at = 0;  // seconds of Unix time, as below; 0: not yet
  int64_t completed_at = 0;
  int64_t expires_at = 0;
  int64_t bytes = 0;     // of the file
  nlohmann::json error;  // null unless it failed: {"code", "message"}
};

// From JSON or, as OpenAI's clients send it, multipart/form-data. InvalidArgument names the field.
absl::StatusOr<JobRequest> ParseJobRequest(const HttpRequest& request);

// The object "video" of OpenAI's interface; `size`, `seconds` and `model` as they were asked for.
nlohmann::json JobJson(const Job& job);

// What is kept on the disk beside the video, and back. InvalidArgument for what it does not understand.
nlohmann::json StoredJob(const Job& job);
absl::StatusOr<Job> JobFromStored(const std::string& text);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_JOBS_JOB_H_
