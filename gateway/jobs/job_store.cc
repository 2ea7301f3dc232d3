#include "gateway/jobs/job_store.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "gateway/error_response.h"
#include "gateway/random_id.h"
#include "system/regular_file.h"
#include "system/whole_file.h"

namespace videodiffcr {
namespace {

namespace fs = std::filesystem;

constexpr char kIdPrefix[] = "video_";
constexpr char kPartial[] = ".partial";
constexpr int64_t kMaxStoredBytes = 1 << 20;  // of a job: its prompt and an error

bool HasEnded(const Job& job) { return job.state == Job::State::kCompleted || job.state == Job::State::kFailed; }

bool IsId(const std::string& text) {
  return text.size() == sizeof(kIdPrefix) - 1 + kRandomIdLength && text.rfind(kIdPrefix, 0) == 0 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_'; });
}

absl::Status NoSuchJob() {
  return GatewayError(absl::StatusCode::kNotFound, "NO_SUCH_VIDEO", "there is no video of this id, or not any more");
}

absl::Status CannotUse(const std::string& folder, const std::error_code& error) {
  return absl::UnavailableError(
      absl::StrCat("cannot use ", folder, " (", error.message(), "): name another folder with --jobs-folder"));
}

// Not so where it cannot be looked at: a disk that hiccups has lost nothing.
bool IsNotThere(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() == fs::file_type::not_found;
}

}  // namespace

std::string OwnerOf(absl::string_view authorization) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(authorization.data(), authorization.size(), digest, &size, EVP_sha256(), nullptr) != 1) std::abort();
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(digest), size));
}

absl::StatusOr<std::unique_ptr<JobStore>> JobStore::Open(const JobStoreOptions& options, UnixTime now,
                                                         const Clock* clock, GatewayMetrics* metrics) {
  auto store = absl::WrapUnique(new JobStore(options, std::move(now), clock, metrics));
  if (absl::Status status = store->Prepare(); !status.ok()) return status;
  return store;
}

JobStore::~JobStore() = default;

absl::Status JobStore::Prepare() {
  std::error_code error;
  if (options_.folder.empty()) {
    absl::StatusOr<ScratchFolder> scratch = ScratchFolder::Make("videodiffcr-jobs");
    if (!scratch.ok()) {
      return absl::UnavailableError(absl::StrCat(scratch.status().message(), ", or any folder with --jobs-folder"));
    }
    scratch_.emplace(*std::move(scratch));
    options_.folder = scratch_->path();
    return absl::OkStatus();
  }
  fs::create_directories(options_.folder, error);
  if (error) return CannotUse(options_.folder, error);
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(options_.folder, error), end; !error && entry != end; entry.increment(error)) {
    found.push_back(entry->path());
  }
  if (error) return CannotUse(options_.folder, error);
  for (const fs::path& path : found) {
    if (path.extension() == kPartial && IsId(path.stem().stem().string())) fs::remove(path, error);
    // Of a job that the disk had no room to describe: nobody can ask for it any more.
    if (path.extension() == ".mp4" && IsId(path.stem().string()) &&
        IsNotThere(fs::path(path).replace_extension(".json"))) {
      fs::remove(path, error);
    }
    if (path.extension() == ".json" && IsId(path.stem().string())) Load(path.stem().string());
  }
  return absl::OkStatus();
}

void JobStore::Load(const std::string& id) {
  const absl::StatusOr<std::string> text =
      ReadRegularFile(absl::StrCat(options_.folder, "/", id, ".json"), kMaxStoredBytes);
  absl::StatusOr<Job> job = text.ok() ? JobFromStored(*text) : text.status();
  if (!job.ok() || job->id != id) return;  // somebody else's file
  MutexLock lock(&mutex_);
  std::error_code error;
  const uintmax_t bytes = fs::file_size(VideoPath(id), error);
  if (job->state == Job::State::kCompleted && error) return;
  job->bytes = error ? 0 : static_cast<int64_t>(bytes);
  bytes_ += job->bytes;
  // Complete() alone gives a video this name: when what it wrote beside it had no room on the disk, the job says less.
  const bool is_complete = !error;
  if (is_complete ? job->state != Job::State::kCompleted : !HasEnded(*job)) {
    job->state = is_complete ? Job::State::kCompleted : Job::State::kFailed;
    job->progress = is_complete ? 100 : job->progress;
    job->error = nullptr;
    if (!is_complete) {
      job->error = {{"code", "GATEWAY_RESTARTED"}, {"message", "the gateway was restarted while this was being made"}};
    }
    job->completed_at = now_();
    job->expires_at = job->completed_at + absl::ToInt64Seconds(options_.keep);
    Save(*job);
  }
  goes_at_[id] =
      clock_->Now() + std::clamp(absl::Seconds(job->expires_at - now_()), absl::ZeroDuration(), options_.keep);
  jobs_[id] = *std::move(job);
  metrics_->job_bytes->Set(static_cast<double>(bytes_));
}

void JobStore::Save(const Job& job) {
  // On a full disk the older words stay, which tell a restart less: when a video ended, and a failure's reason.
  (void)WriteWholeFile(absl::StrCat(options_.folder, "/", job.id, ".json"), JsonText(StoredJob(job)));
}

void JobStore::Remove(const std::string& id) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  bytes_ -= found->second.bytes;
  jobs_.erase(found);
  goes_at_.erase(id);
  std::error_code ignored;
  for (const char* ending : {".json", ".mp4", ".mp4.partial"}) {
    fs::remove(absl::StrCat(options_.folder, "/", id, ending), ignored);
  }
  metrics_->job_bytes->Set(static_cast<double>(bytes_));
}

bool JobStore::MakeRoom(int64_t bytes) {
  while (bytes_ + bytes > options_.max_bytes || static_cast<int>(jobs_.size()) >= options_.max_jobs) {
    const auto oldest = std::min_element(goes_at_.begin(), goes_at_.end(),
                                         [](const auto& a, const auto& b) { return a.second < b.second; });
    if (oldest == goes_at_.end()) return bytes_ + bytes <= options_.max_bytes && bytes > 0;
    Remove(std::string(oldest->first));
  }
  return true;
}

absl::StatusOr<Job> JobStore::Add(const JobRequest& request, const std::string& owner) {
  MutexLock lock(&mutex_);
  if (!MakeRoom(0)) {
    return GatewayError(absl::StatusCode::kResourceExhausted, "TOO_MANY_VIDEOS",
                        absl::StrCat(options_.max_jobs, " videos wait or are being made already (--max-jobs)"));
  }
  Job job;
  job.id = kIdPrefix + RandomId();
  job.owner = owner;
  job.request = request;
  job.created_at = now_();
  Save(job);
  return jobs_[job.id] = job;
}

absl::StatusOr<Job> JobStore::Get(const std::string& id, const std::string& owner) const {
  MutexLock lock(&mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || found->second.owner != owner) return NoSuchJob();
  return found->second;
}

std::vector<Job> JobStore::List(const std::string& owner) const {
  std::vector<Job> own;
  {
    MutexLock lock(&mutex_);
    for (const auto& [id, job] : jobs_) {
      if (job.owner == owner) own.push_back(job);
    }
  }
  std::stable_sort(own.begin(), own.end(), [](const Job& a, const Job& b) { return a.created_at < b.created_at; });
  return own;
}

absl::Status JobStore::Delete(const std::string& id, const std::string& owner) {
  MutexLock lock(&mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || found->second.owner != owner) return NoSuchJob();
  Remove(id);
  return absl::OkStatus();
}

void JobStore::Sweep() {
  MutexLock lock(&mutex_);
  std::vector<std::string> over;
  for (const auto& [id, goes_at] : goes_at_) {
    if (goes_at <= clock_->Now()) over.push_back(id);
  }
  for (const std::string& id : over) Remove(id);
}

bool JobStore::SetProgress(const std::string& id, int percent, uint64_t seed) {
  MutexLock lock(&mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return false;
  found->second.state = Job::State::kInProgress;
  found->second.progress = percent;
  found->second.request.seed = seed;
  return true;
}

absl::Status JobStore::Write(const std::string& id, const std::string& bytes) {
  MutexLock lock(&mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return NoSuchJob();
  const bool has_room =
      bytes_ + static_cast<int64_t>(bytes.size()) <= options_.max_bytes || MakeRoom(static_cast<int64_t>(bytes.size()));
  if (!has_room || !AppendWhole(VideoPath(id) + kPartial, bytes).ok()) {
    return GatewayError(absl::StatusCode::kResourceExhausted, "NO_ROOM",
                        "there is no room on the disk for this video (--jobs-bytes)");
  }
  found->second.bytes += static_cast<int64_t>(bytes.size());
  bytes_ += static_cast<int64_t>(bytes.size());
  metrics_->job_bytes->Set(static_cast<double>(bytes_));
  return absl::OkStatus();
}

bool JobStore::Complete(const std::string& id) {
  std::error_code error;
  fs::rename(VideoPath(id) + kPartial, VideoPath(id), error);
  if (error) {
    return Fail(id, GatewayError(absl::StatusCode::kResourceExhausted, "NO_ROOM",
                                 absl::StrCat("the video could not be kept: ", error.message())));
  }
  return Finish(id, Job::State::kCompleted, nullptr);
}

bool JobStore::Fail(const std::string& id, const absl::Status& status) {
  const nlohmann::json error = ErrorJson(status);
  return Finish(id, Job::State::kFailed, {{"code", error["code"]}, {"message", error["message"]}});
}

bool JobStore::Finish(const std::string& id, Job::State state, nlohmann::json error) {
  metrics_->jobs->Add({{"outcome", state == Job::State::kCompleted ? "completed" : "failed"}}).Increment();
  MutexLock lock(&mutex_);
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) {
    std::error_code ignored;
    fs::remove(VideoPath(id), ignored);  // deleted between its last byte and now
    return false;
  }
  Job& job = found->second;
  job.state = state;
  job.error = std::move(error);
  job.completed_at = now_();
  job.expires_at = job.completed_at + absl::ToInt64Seconds(options_.keep);
  goes_at_[id] = clock_->Now() + options_.keep;
  if (state == Job::State::kCompleted) {
    job.progress = 100;
  } else {
    std::error_code ignored;
    fs::remove(VideoPath(id) + kPartial, ignored);
    bytes_ -= std::exchange(job.bytes, 0);
  }
  Save(job);
  metrics_->job_bytes->Set(static_cast<double>(bytes_));
  return true;
}

std::string JobStore::VideoPath(const std::string& id) const { return absl::StrCat(options_.folder, "/", id, ".mp4"); }

}  // namespace videodiffcr
