#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "bench/commands.h"
#include "bench/report.h"
#include "client/proto_time.h"
#include "client/video_client.h"

namespace videodiffcr {
namespace {

// The clock starts with the first chunk; so much playing time is buffered before playing begins.
constexpr absl::Duration kStartBuffer = absl::Milliseconds(750);

// What one viewer saw.
struct ViewerResult {
  absl::Status status;
  Samples slack, overhead, queue, denoise, context, decode, encode;
  double first_chunk_ms = 0, executed = 1;
  int64_t chunks = 0, misses = 0;
};

absl::Duration ToDuration(const google::protobuf::Duration& duration) { return absl::Seconds(ToSeconds(duration)); }

v1::SessionConfig ConfigOf(const SessionsBenchOptions& options, int viewer, int64_t length_chunks) {
  v1::SessionConfig config;
  config.set_prompt("a large red circle moves right fast on a navy checkered background");
  config.set_seed(viewer + 1);
  config.set_length_chunks(static_cast<int>(length_chunks));
  config.mutable_retention()->set_target(options.budget);
  config.mutable_playout()->mutable_start_buffer()->set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(kStartBuffer)));
  config.set_run_ahead_limit_chunks(options.run_ahead);
  return config;
}

// A chunk is missed when its last byte is here after the moment it should start playing.
void Watch(VideoCall& call, absl::Time started, ViewerResult& result) {
  absl::Time play_from;
  while (std::optional<v1::StreamVideoResponse> response = call.Next()) {
    if (!response->has_chunk()) {
      if (response->has_finished()) result.executed = response->finished().retention().executed();
      continue;
    }
    const absl::Time now = absl::Now();
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
    result.denoise.Add(ToDuration(t.denoise()));
    result.context.Add(ToDuration(t.context()));
    result.decode.Add(ToDuration(t.decode()));
    result.encode.Add(ToDuration(t.encode()));
    result.overhead.Add(ToDuration(t.total()) - ToDuration(t.queue()) - ToDuration(t.text()) - ToDuration(t.denoise()) -
                        ToDuration(t.decode()) - ToDuration(t.encode()));
  }
  result.status = call.Finish();
}

}  // namespace

absl::StatusOr<std::string> RunSessionsBench(const SessionsBenchOptions& options) {
  absl::StatusOr<std::unique_ptr<VideoClient>> client = VideoClient::Connect(options.server, absl::Seconds(10));
  if (!client.ok()) return client.status();
  absl::StatusOr<v1::GetServerInfoResponse> info = (*client)->GetServerInfo();
  if (!info.ok()) return info.status();
  const double fps = info->model().frames_per_second(0);
  const absl::Duration chunk_time = absl::Seconds(info->model().chunk_frames() / fps);
  const int64_t length = static_cast<int64_t>(absl::Seconds(options.seconds) / chunk_time) + 1;

  std::vector<ViewerResult> results(options.sessions);
  std::vector<std::thread> viewers;
  const absl::Time origin = absl::Now();
  for (int viewer = 0; viewer < options.sessions; ++viewer) {
    viewers.emplace_back([&, viewer] {
      if (options.staggered) absl::SleepFor(origin + chunk_time * viewer / options.sessions - absl::Now());
      const absl::Time started = absl::Now();
      const std::unique_ptr<VideoCall> call = (*client)->StreamVideo(ConfigOf(options, viewer, length));
      Watch(*call, started, results[viewer]);
    });
  }
  for (std::thread& viewer : viewers) viewer.join();

  Report report({"session", "chunks", "CPR", "first chunk", "slack p1", "overhead p50", "overhead p99", "queue p50",
                 "denoise p50", "context p50", "decode p50", "encode p50", "executed"});
  int good = 0;
  for (int viewer = 0; viewer < options.sessions; ++viewer) {
    const ViewerResult& r = results[viewer];
    if (!r.status.ok()) return r.status;
    const double ratio = 1.0 - static_cast<double>(r.misses) / static_cast<double>(std::max<int64_t>(1, r.chunks));
    if (ratio >= 0.99) ++good;
    const auto ms = [](double value) { return absl::StrFormat("%.1f", value); };
    report.AddRow({absl::StrCat(viewer + 1), absl::StrCat(r.chunks), absl::StrFormat("%.4f", ratio),
                   ms(r.first_chunk_ms), ms(r.slack.Quantile(0.01)), ms(r.overhead.Median()),
                   ms(r.overhead.Quantile(0.99)), ms(r.queue.Median()), ms(r.denoise.Median()), ms(r.context.Median()),
                   ms(r.decode.Median()), ms(r.encode.Median()), absl::StrFormat("%.4f", r.executed)});
  }
  const absl::Status written = WriteReport(options.json_file, report.Json({{"machine", MachineName()},
                                                                           {"model", info->model().name()},
                                                                           {"budget", absl::StrCat(options.budget)}}));
  if (!written.ok()) return written;
  return absl::StrCat(MachineName(), "; server ", info->version(), " with model ", info->model().name(), "; ",
                      options.sessions, options.staggered ? " staggered" : " aligned", " viewers at ", fps,
                      " frames/s for ", options.seconds, " s of playing time, budget ", options.budget,
                      "; times in ms\n\n", report.Table(), "\nsessions with CPR >= 0.99: ", good, " of ",
                      options.sessions, "\n");
}

}  // namespace videodiffcr
