#include <algorithm>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "bench/commands.h"
#include "bench/report.h"
#include "bench/server_process.h"
#include "client/video_client.h"
#include "proto/proto_duration.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

// The clock starts with the first chunk; so much playing time is buffered before playing begins.
constexpr absl::Duration kStartBuffer = absl::Milliseconds(750);
constexpr const char* kUsualPrompt = "a large red circle moves right fast on a navy checkered background";

// What one viewer saw.
struct ViewerResult {
  absl::Status status;
  Samples slack, overhead, queue, text, delivery_queue, denoise, context, decode, encode;
  Samples denoise_early, denoise_late;  // of the second and of the last quarter of the chunks: equal when time is flat
  double first_chunk_ms = 0, executed = 1;
  int64_t chunks = 0, misses = 0;
};

absl::Duration ToDuration(const google::protobuf::Duration& duration) { return absl::Seconds(ToSeconds(duration)); }

v1::SessionConfig ConfigOf(const SessionsBenchOptions& options, int viewer, int64_t length_chunks) {
  v1::SessionConfig config;
  config.set_prompt(kUsualPrompt);
  config.set_seed(viewer + 1);
  config.set_length_chunks(static_cast<int>(length_chunks));
  config.mutable_retention()->set_target(options.budget);
  *config.mutable_playout()->mutable_start_buffer() = ToProtoDuration(kStartBuffer);
  config.set_run_ahead_limit_chunks(options.run_ahead);
  return config;
}

// A chunk is missed when its last byte is here after the moment it should start playing.
// `length`: chunks that were asked for.
void Watch(VideoCall& call, absl::Time started, int64_t length, ViewerResult& result) {
  absl::Time play_from;
  while (std::optional<v1::StreamVideoResponse> response = call.Next()) {
    if (!response->has_chunk()) {
      if (response->has_finished()) result.executed = response->finished().retention().executed();
      continue;
    }
    const absl::Time now = SteadyNow();
    const v1::VideoChunk& chunk = response->chunk();
    if (result.chunks++ == 0) {
      result.first_chunk_ms = absl::ToDoubleMilliseconds(now - started);
      play_from = now + kStartBuffer;
    }
    const absl::Duration slack = play_from + ToDuration(chunk.presentation_start()) - now;
    result.slack.Add(slack);
    if (slack < absl::ZeroDuration()) ++result.misses;
    const v1::StageTimings& t = chunk.timings();
    result.queue.Add(ToDuration(t.queue()));
    result.text.Add(ToDuration(t.text()));
    result.delivery_queue.Add(ToDuration(t.delivery_queue()));
    result.denoise.Add(ToDuration(t.denoise()));
    const int64_t quarter = 4 * (result.chunks - 1) / length;
    if (quarter == 1) result.denoise_early.Add(ToDuration(t.denoise()));
    if (quarter == 3) result.denoise_late.Add(ToDuration(t.denoise()));
    result.context.Add(ToDuration(t.context()));
    result.decode.Add(ToDuration(t.decode()));
    result.encode.Add(ToDuration(t.encode()));
    result.overhead.Add(ToDuration(t.total()) - ToDuration(t.queue()) - ToDuration(t.text()) - ToDuration(t.denoise()) -
                        ToDuration(t.delivery_queue()) - ToDuration(t.decode()) - ToDuration(t.encode()));
  }
  result.status = call.Finish();
}

// The playing time of a chunk, and what else the viewers need to know of the server's model.
struct ServedModel {
  std::string name, version;
  double frames_per_second = 0;
  absl::Duration chunk_time;
};

absl::StatusOr<ServedModel> AskForModel(VideoClient& client) {
  absl::StatusOr<v1::GetServerInfoResponse> info = client.GetServerInfo();
  if (!info.ok()) return info.status();
  const double fps = info->model().frames_per_second(0);
  return ServedModel{info->model().name(), info->version(), fps, absl::Seconds(info->model().chunk_frames() / fps)};
}

// One of the first requests that a server gets.
struct EarlyRequest {
  const char* key;  // in the JSON
  const char* why;
  const char* prompt;
  absl::Duration rest;  // nothing is asked of the server before it
};
// What tells a first time from other reasons to be slow: words of another number, a device that has slept.
const EarlyRequest kEarlyRequests[] = {
    {"first chunk of the first request, ms", "at once", kUsualPrompt, absl::ZeroDuration()},
    {"first chunk of the second request, ms", "the same again", kUsualPrompt, absl::ZeroDuration()},
    {"first chunk of the third request, ms", "a prompt of another length",
     "a small yellow star bounces on a black plain background", absl::ZeroDuration()},
    {"first chunk of the fourth request, ms", "after 3 s of rest", kUsualPrompt, absl::Seconds(3)},
};

// A session of one chunk, alone.
absl::StatusOr<ViewerResult> WatchOneChunk(VideoClient& client, const SessionsBenchOptions& options,
                                           const EarlyRequest& request) {
  absl::SleepFor(request.rest);
  ViewerResult result;
  v1::SessionConfig config = ConfigOf(options, 0, 1);
  config.set_prompt(request.prompt);
  const absl::Time started = SteadyNow();
  const std::unique_ptr<VideoCall> call = client.StreamVideo(config);
  Watch(*call, started, 1, result);
  if (!result.status.ok()) return result.status;
  return result;
}

// Where the time to a session's only chunk went.
std::string FirstChunkStages(const ViewerResult& r) {
  return absl::StrFormat("queue %.1f, text %.1f, denoise %.1f, decode %.1f, encode %.1f", r.queue.Median(),
                         r.text.Median(), r.denoise.Median(), r.decode.Median(), r.encode.Median());
}

// All viewers to their end.
std::vector<ViewerResult> WatchTogether(VideoClient& client, const SessionsBenchOptions& options,
                                        absl::Duration chunk_time, bool staggered) {
  const int64_t length = static_cast<int64_t>(absl::Seconds(options.seconds) / chunk_time) + 1;
  std::vector<ViewerResult> results(options.sessions);
  std::vector<std::thread> viewers;
  const absl::Time origin = SteadyNow();
  for (int viewer = 0; viewer < options.sessions; ++viewer) {
    viewers.emplace_back([&, viewer] {
      if (staggered) absl::SleepFor(origin + chunk_time * viewer / options.sessions - SteadyNow());
      const absl::Time started = SteadyNow();
      const std::unique_ptr<VideoCall> call = client.StreamVideo(ConfigOf(options, viewer, length));
      Watch(*call, started, length, results[viewer]);
    });
  }
  for (std::thread& viewer : viewers) viewer.join();
  return results;
}

double ContinuousPlayRatio(const ViewerResult& result) {
  return 1.0 - static_cast<double>(result.misses) / static_cast<double>(std::max<int64_t>(1, result.chunks));
}

const std::vector<std::string>& Columns() {
  static const auto& columns = *new std::vector<std::string>{"starts",
                                                             "session",
                                                             "chunks",
                                                             "CPR",
                                                             "first chunk",
                                                             "slack p1",
                                                             "overhead p50",
                                                             "overhead p99",
                                                             "queue p50",
                                                             "queue p99",
                                                             "delivery queue p50",
                                                             "delivery queue p99",
                                                             "denoise p50",
                                                             "denoise p50 of the second quarter",
                                                             "denoise p50 of the last quarter",
                                                             "context p50",
                                                             "decode p50",
                                                             "encode p50",
                                                             "executed"};
  return columns;
}

std::vector<std::string> Row(const char* starts, int viewer, const ViewerResult& r) {
  const auto ms = [](double value) { return absl::StrFormat("%.1f", value); };
  return {starts,
          absl::StrCat(viewer + 1),
          absl::StrCat(r.chunks),
          absl::StrFormat("%.4f", ContinuousPlayRatio(r)),
          ms(r.first_chunk_ms),
          ms(r.slack.Quantile(0.01)),
          ms(r.overhead.Median()),
          ms(r.overhead.Quantile(0.99)),
          ms(r.queue.Median()),
          ms(r.queue.Quantile(0.99)),
          ms(r.delivery_queue.Median()),
          ms(r.delivery_queue.Quantile(0.99)),
          ms(r.denoise.Median()),
          ms(r.denoise_early.Median()),
          ms(r.denoise_late.Median()),
          ms(r.context.Median()),
          ms(r.decode.Median()),
          ms(r.encode.Median()),
          absl::StrFormat("%.4f", r.executed)};
}

// Memory of the server that the viewers were on, before they came and after they left.
std::string MemoryText(const ServerProcess& server) {
  return absl::StrCat(server.ResidentBytes() >> 20, " MiB, GPU ", GpuMemoryUsed());
}

// Adds the viewers' rows to the report, what the server held to `context` and a line about them to `summary`.
absl::Status Measure(VideoClient& client, const ServerProcess* server, const SessionsBenchOptions& options,
                     absl::Duration chunk_time, bool staggered, Report* report,
                     std::map<std::string, std::string>* context, std::string* summary) {
  const char* const starts = staggered ? "staggered" : "aligned";
  if (server != nullptr) (*context)[absl::StrCat("memory before, ", starts)] = MemoryText(*server);
  const std::vector<ViewerResult> results = WatchTogether(client, options, chunk_time, staggered);
  if (server != nullptr) (*context)[absl::StrCat("memory after, ", starts)] = MemoryText(*server);
  int good = 0;
  for (int viewer = 0; viewer < options.sessions; ++viewer) {
    if (!results[viewer].status.ok()) return results[viewer].status;
    if (ContinuousPlayRatio(results[viewer]) >= 0.99) ++good;
    report->AddRow(Row(starts, viewer, results[viewer]));
  }
  absl::StrAppend(summary, starts, " sessions with CPR >= 0.99: ", good, " of ", options.sessions, "\n");
  return absl::OkStatus();
}

// How long a server that has just started takes for its first chunks.
absl::Status MeasureEarlyRequests(VideoClient& client, const ServerProcess& server, const SessionsBenchOptions& options,
                                  std::map<std::string, std::string>* context, std::string* summary) {
  const double ready_s = absl::ToDoubleSeconds(server.ready_after());
  (*context)["device"] = options.device;
  (*context)["precision"] = options.precision;
  (*context)["start to SERVING, s"] = absl::StrFormat("%.2f", ready_s);
  *summary = absl::StrFormat("start to SERVING: %.1f s\n", ready_s);
  for (const EarlyRequest& request : kEarlyRequests) {
    const absl::StatusOr<ViewerResult> result = WatchOneChunk(client, options, request);
    if (!result.ok()) return result.status();
    const std::string stages = FirstChunkStages(*result);
    (*context)[request.key] = absl::StrFormat("%.1f", result->first_chunk_ms);
    (*context)[absl::StrCat(request.key, ": stages")] = stages;
    absl::StrAppendFormat(summary, "%s: %.1f (%s; %s)\n", request.key, result->first_chunk_ms, request.why, stages);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> RunSessionsBench(const SessionsBenchOptions& options) {
  std::unique_ptr<ServerProcess> server;
  std::string address = options.server, summary;
  if (address.empty()) {
    // One slot beyond the viewers' is for who leaves while another comes.
    absl::StatusOr<std::unique_ptr<ServerProcess>> started = ServerProcess::Start(
        {"--model-folder=" + options.model_folder, "--device=" + options.device, "--precision=" + options.precision,
         absl::StrCat("--gpu-sessions=", options.sessions + 1)});
    if (!started.ok()) return started.status();
    server = *std::move(started);
    address = server->address();
  }
  absl::StatusOr<std::unique_ptr<VideoClient>> client = VideoClient::Connect(address, absl::Seconds(10));
  if (!client.ok()) return client.status();
  const absl::StatusOr<ServedModel> model = AskForModel(**client);
  if (!model.ok()) return model.status();
  std::map<std::string, std::string> context = {{"machine", MachineName()},
                                                {"model", model->name},
                                                {"sessions", absl::StrCat(options.sessions)},
                                                {"seconds", absl::StrCat(options.seconds)},
                                                {"budget", absl::StrCat(options.budget)}};
  if (server != nullptr) {
    const absl::Status early = MeasureEarlyRequests(**client, *server, options, &context, &summary);
    if (!early.ok()) return early;
  }

  Report report(Columns());
  for (const bool staggered : {false, true}) {
    if (options.starts == (staggered ? ViewerStarts::kAligned : ViewerStarts::kStaggered)) continue;
    absl::Status measured =
        Measure(**client, server.get(), options, model->chunk_time, staggered, &report, &context, &summary);
    // At once: whoever cuts a long run keeps what is done.
    if (measured.ok()) measured = WriteReport(options.json_file, report.Json(context));
    if (!measured.ok()) return measured;
  }
  return absl::StrCat(MachineName(), "; server ", model->version, " with model ", model->name, "; ", options.sessions,
                      " viewers at ", model->frames_per_second, " frames/s for ", options.seconds,
                      " s of playing time, budget ", options.budget, "; times in ms\n\n", report.Table(), "\n",
                      summary);
}

}  // namespace videodiffcr
