#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "bench/commands.h"
#include "bench/measured_server.h"
#include "bench/report.h"
#include "client/load/load_run.h"
#include "client/video_client.h"
#include "proto/proto_duration.h"
#include "system/steady_time.h"

namespace videodiffcr {
namespace {

// The clock starts with the first chunk; so much playing time is buffered before playing begins.
constexpr absl::Duration kStartBuffer = absl::Milliseconds(750);
// Sessions of one chunk each, one after the other, once the server has seen a few: enough for a p95.
constexpr int kFirstChunks = 25;
constexpr const char* kUsualPrompt = "a large red circle moves right fast on a navy checkered background";

// Where the time of one viewer's chunks went, as the server says. What the viewer saw is in its ViewerOutcome.
struct Stages {
  Samples overhead, queue, text, delivery_queue, denoise, context, decode, encode;
  Samples denoise_early, denoise_late;  // of the second and of the last quarter of the chunks: equal when time is flat
  double executed = 1;
  int64_t chunks = 0;
};

struct ViewerResult {
  Stages stages;
  ViewerOutcome outcome;
};

absl::Duration ToDuration(const google::protobuf::Duration& duration) { return absl::Seconds(ToSeconds(duration)); }

// `length`: chunks that were asked for.
void AddStages(const v1::StreamVideoResponse& response, int64_t length, Stages* stages) {
  if (response.has_finished()) stages->executed = response.finished().retention().executed();
  if (!response.has_chunk()) return;
  const v1::StageTimings& t = response.chunk().timings();
  stages->queue.Add(ToDuration(t.queue()));
  stages->text.Add(ToDuration(t.text()));
  stages->delivery_queue.Add(ToDuration(t.delivery_queue()));
  stages->denoise.Add(ToDuration(t.denoise()));
  const int64_t quarter = 4 * stages->chunks++ / length;
  if (quarter == 1) stages->denoise_early.Add(ToDuration(t.denoise()));
  if (quarter == 3) stages->denoise_late.Add(ToDuration(t.denoise()));
  stages->context.Add(ToDuration(t.context()));
  stages->decode.Add(ToDuration(t.decode()));
  stages->encode.Add(ToDuration(t.encode()));
  stages->overhead.Add(OverheadOf(t));
}

// A viewer of the load tool that also writes down the stages of its chunks.
ViewerPlan PlanOf(const SessionsBenchOptions& options, int viewer, int64_t length_chunks, Stages* stages) {
  ViewerPlan plan;
  plan.config.set_prompt(kUsualPrompt);
  plan.config.set_seed(viewer + 1);
  plan.config.set_length_chunks(static_cast<int>(length_chunks));
  plan.config.mutable_retention()->set_target(options.budget);
  *plan.config.mutable_playout()->mutable_start_buffer() = ToProtoDuration(kStartBuffer);
  plan.config.set_run_ahead_limit_chunks(options.run_ahead);
  plan.start_buffer = kStartBuffer;
  plan.observe = [length_chunks, stages](const v1::StreamVideoResponse& response) {
    AddStages(response, length_chunks, stages);
  };
  return plan;
}

// Unless it came to its end.
absl::Status FailureOf(const ViewerOutcome& outcome) {
  if (outcome.end == ViewerEnd::kFinished && !outcome.chunks.empty()) return absl::OkStatus();
  return absl::AbortedError(outcome.error.empty() ? "a session ended without a chunk" : outcome.error);
}

double FirstChunkMs(const ViewerOutcome& outcome) {
  return absl::ToDoubleMilliseconds(outcome.chunks.front().since_last);
}

double FirstFramesMs(const ViewerOutcome& outcome) { return absl::ToDoubleMilliseconds(outcome.first_frames); }

Samples SlackOf(const ViewerOutcome& outcome) {
  Samples slack;
  for (const ChunkSample& chunk : outcome.chunks) {
    if (chunk.has_deadline) slack.Add(chunk.slack);
  }
  return slack;
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

// A request for one chunk.
struct EarlyRequest {
  const char* key;  // in the JSON
  const char* why;
  const char* prompt;
  absl::Duration rest;  // nothing is asked of the server before it
  int first_fragment_frames = 0;
};
// The first that a server gets. What tells a first time from other reasons to be slow: words of another number, a
// device that has slept.
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
  ViewerPlan plan = PlanOf(options, 0, 1, &result.stages);
  plan.config.set_prompt(request.prompt);
  plan.config.mutable_output()->set_first_fragment_frames(request.first_fragment_frames);
  std::atomic<int64_t> chunks = 0;
  RunningCalls calls;
  result.outcome = RunViewer(&client, plan, SteadyNow(), &calls, &chunks).outcome;
  if (absl::Status failed = FailureOf(result.outcome); !failed.ok()) return failed;
  return result;
}

// Where the time to a session's only chunk went.
std::string FirstChunkStages(const Stages& stages) {
  return absl::StrFormat("queue %.1f, text %.1f, denoise %.1f, decode %.1f, encode %.1f", stages.queue.Median(),
                         stages.text.Median(), stages.denoise.Median(), stages.decode.Median(), stages.encode.Median());
}

// All viewers to their end.
absl::StatusOr<std::vector<ViewerResult>> WatchTogether(const std::string& address, const SessionsBenchOptions& options,
                                                        absl::Duration chunk_time, bool staggered) {
  const int64_t length = static_cast<int64_t>(absl::Seconds(options.seconds) / chunk_time) + 1;
  std::vector<ViewerResult> results(options.sessions);
  std::vector<PlannedViewer> viewers;
  for (int viewer = 0; viewer < options.sessions; ++viewer) {
    const absl::Duration begins = staggered ? chunk_time * viewer / options.sessions : absl::ZeroDuration();
    viewers.push_back({begins, PlanOf(options, viewer, length, &results[viewer].stages)});
  }
  absl::StatusOr<std::vector<ViewerOutcome>> outcomes = RunPlans({address}, viewers);
  if (!outcomes.ok()) return outcomes.status();
  for (int viewer = 0; viewer < options.sessions; ++viewer) {
    results[viewer].outcome = std::move((*outcomes)[viewer]);
    if (absl::Status failed = FailureOf(results[viewer].outcome); !failed.ok()) return failed;
  }
  return results;
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

std::vector<std::string> Row(const char* starts, int viewer, const ViewerResult& result) {
  const auto ms = [](double value) { return absl::StrFormat("%.1f", value); };
  const Stages& stages = result.stages;
  return {starts,
          absl::StrCat(viewer + 1),
          absl::StrCat(result.outcome.chunks.size()),
          absl::StrFormat("%.4f", ContinuousPlayRatio(result.outcome)),
          ms(FirstChunkMs(result.outcome)),
          ms(SlackOf(result.outcome).Quantile(0.01)),
          ms(stages.overhead.Median()),
          ms(stages.overhead.Quantile(0.99)),
          ms(stages.queue.Median()),
          ms(stages.queue.Quantile(0.99)),
          ms(stages.delivery_queue.Median()),
          ms(stages.delivery_queue.Quantile(0.99)),
          ms(stages.denoise.Median()),
          ms(stages.denoise_early.Median()),
          ms(stages.denoise_late.Median()),
          ms(stages.context.Median()),
          ms(stages.decode.Median()),
          ms(stages.encode.Median()),
          absl::StrFormat("%.4f", stages.executed)};
}

// Memory of the server that the viewers were on, before they came and after they left.
std::string MemoryText(const MeasuredServer& server) {
  return absl::StrCat(server.ResidentBytes() >> 20, " MiB, GPU ", GpuMemoryUsed());
}

// Adds the viewers' rows to the report, what the server held to `context` and a line about them to `summary`.
absl::Status Measure(const std::string& address, const MeasuredServer* server, const SessionsBenchOptions& options,
                     absl::Duration chunk_time, bool staggered, Report* report,
                     std::map<std::string, std::string>* context, std::string* summary) {
  const char* const starts = staggered ? "staggered" : "aligned";
  if (server != nullptr) (*context)[absl::StrCat("memory before, ", starts)] = MemoryText(*server);
  const absl::StatusOr<std::vector<ViewerResult>> results = WatchTogether(address, options, chunk_time, staggered);
  if (!results.ok()) return results.status();
  if (server != nullptr) (*context)[absl::StrCat("memory after, ", starts)] = MemoryText(*server);
  int good = 0;
  for (int viewer = 0; viewer < options.sessions; ++viewer) {
    const ViewerResult& result = (*results)[viewer];
    if (ContinuousPlayRatio(result.outcome) >= 0.99) ++good;
    report->AddRow(Row(starts, viewer, result));
  }
  absl::StrAppend(summary, starts, " sessions with CPR >= 0.99: ", good, " of ", options.sessions, "\n");
  return absl::OkStatus();
}

// How long a server that has just started takes for its first chunks.
absl::Status MeasureEarlyRequests(VideoClient& client, const MeasuredServer& server,
                                  const SessionsBenchOptions& options, std::map<std::string, std::string>* context,
                                  std::string* summary) {
  const double ready_s = absl::ToDoubleSeconds(server.ready_after());
  (*context)["device"] = options.device;
  (*context)["precision"] = options.precision;
  (*context)["start to SERVING, s"] = absl::StrFormat("%.2f", ready_s);
  *summary = absl::StrFormat("start to SERVING: %.1f s\n", ready_s);
  for (const EarlyRequest& request : kEarlyRequests) {
    const absl::StatusOr<ViewerResult> result = WatchOneChunk(client, options, request);
    if (!result.ok()) return result.status();
    const std::string stages = FirstChunkStages(result->stages);
    const double first_chunk_ms = FirstChunkMs(result->outcome);
    (*context)[request.key] = absl::StrFormat("%.1f", first_chunk_ms);
    (*context)[absl::StrCat(request.key, ": stages")] = stages;
    absl::StrAppendFormat(summary, "%s: %.1f (%s; %s)\n", request.key, first_chunk_ms, request.why, stages);
  }
  return absl::OkStatus();
}

std::string MedianAndTail(const Samples& samples) {
  return absl::StrFormat("%.1f (%.1f)", samples.Median(), samples.Quantile(0.95));
}

// Request to bytes of an idle, warm server: median (p95), and where the slowest one's time went.
absl::Status MeasureFirstChunks(VideoClient& client, const SessionsBenchOptions& options,
                                std::map<std::string, std::string>* context, std::string* summary) {
  Samples samples;
  double slowest_ms = 0;
  std::string slowest;
  for (int i = 0; i < kFirstChunks; ++i) {
    const absl::StatusOr<ViewerResult> result =
        WatchOneChunk(client, options, {"", "", kUsualPrompt, absl::ZeroDuration()});
    if (!result.ok()) return result.status();
    const double first_chunk_ms = FirstChunkMs(result->outcome);
    samples.Add(first_chunk_ms);
    if (first_chunk_ms < slowest_ms) continue;
    slowest_ms = first_chunk_ms;
    slowest = absl::StrFormat("%.1f: %s", first_chunk_ms, FirstChunkStages(result->stages));
  }
  const std::string times = MedianAndTail(samples);
  (*context)["first chunk, ms"] = times;
  (*context)["first chunk, slowest, ms"] = slowest;
  absl::StrAppendFormat(summary, "first chunk, ms, median (p95) of %d: %s; the slowest %s\n", kFirstChunks, times,
                        slowest);
  return absl::OkStatus();
}

// The same of a client that wants the first frame ahead of its chunk: when that came, and the chunk behind it.
absl::Status MeasureFirstFrames(VideoClient& client, const SessionsBenchOptions& options,
                                std::map<std::string, std::string>* context, std::string* summary) {
  Samples frames, chunks;
  for (int i = 0; i < kFirstChunks; ++i) {
    const absl::StatusOr<ViewerResult> result =
        WatchOneChunk(client, options, {"", "", kUsualPrompt, absl::ZeroDuration(), /*first_fragment_frames=*/1});
    if (!result.ok()) return result.status();
    frames.Add(FirstFramesMs(result->outcome));
    chunks.Add(FirstChunkMs(result->outcome));
  }
  (*context)["first frame, ms"] = MedianAndTail(frames);
  (*context)["first chunk behind its first frame, ms"] = MedianAndTail(chunks);
  absl::StrAppendFormat(summary, "first frame, ms, median (p95) of %d: %s; its chunk behind it %s\n", kFirstChunks,
                        MedianAndTail(frames), MedianAndTail(chunks));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> RunSessionsBench(const SessionsBenchOptions& options) {
  std::unique_ptr<MeasuredServer> server;
  std::string address = options.server, summary;
  if (address.empty()) {
    // One slot beyond the viewers' is for who leaves while another comes.
    absl::StatusOr<std::unique_ptr<MeasuredServer>> started = MeasuredServer::Start(
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
    absl::Status first = MeasureEarlyRequests(**client, *server, options, &context, &summary);
    if (first.ok()) first = MeasureFirstChunks(**client, options, &context, &summary);
    if (first.ok()) first = MeasureFirstFrames(**client, options, &context, &summary);
    if (!first.ok()) return first;
  }

  Report report(Columns());
  for (const bool staggered : {false, true}) {
    if (options.starts == (staggered ? ViewerStarts::kAligned : ViewerStarts::kStaggered)) continue;
    absl::Status measured =
        Measure(address, server.get(), options, model->chunk_time, staggered, &report, &context, &summary);
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
