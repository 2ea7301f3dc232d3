#include "bench/decode_bench.h"

#ifdef VIDEODIFFCR_CUDA
#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/device_timer.h"
#include "bench/report.h"
#include "model/gpu/text/packed_text_encoder.h"
#include "model/plain/text/text_encoder.h"
#include "model/weights/random_weights.h"
#include "system/steady_time.h"
#endif

namespace videodiffcr {

#ifdef VIDEODIFFCR_CUDA
namespace {

constexpr int64_t kTextLen = 512;
constexpr int kWarmUpPrompts = 5;
constexpr int kLengths[] = {16, 64, 128, 512};

absl::Status MeasureLength(const PackedTextEncoder& encoder, int tokens, int prompts, Report& report) {
  Samples device, queue;
  for (int prompt = 0; prompt < kWarmUpPrompts + prompts; ++prompt) {
    std::vector<int32_t> ids;
    for (int i = 0; i < tokens; ++i) ids.push_back(4 + (prompt * 7919 + i * 104729) % 250000);
    DeviceTimer timer;
    const absl::Time began = SteadyNow();
    timer.Start();
    const absl::StatusOr<at::Tensor> rows = encoder.Encode(ids);
    timer.Stop();
    const absl::Duration queued = SteadyNow() - began;
    if (!rows.ok()) return rows.status();
    const double milliseconds = timer.Milliseconds();
    if (prompt < kWarmUpPrompts) continue;
    device.Add(milliseconds);
    queue.Add(queued);
  }
  report.AddRow({absl::StrCat(tokens), absl::StrCat(device.size()), absl::StrFormat("%.2f", device.Median()),
                 absl::StrFormat("%.2f", device.Quantile(0.95)), absl::StrFormat("%.2f", queue.Median())});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> RunTextBench(const TextBenchOptions& options) {
  if (!at::hasCUDA()) return absl::FailedPreconditionError("text: needs a CUDA device");
  const at::NoGradGuard no_gradients;
  const TextEncoderConfig config;  // UMT5-XXL by default
  TextEncoderWeights weights;
  FillRandomWeights(TextEncoderWeightTable(config, &weights), 1,
                    {.dtype = at::kBFloat16, .device = at::Device(at::kCUDA, 0)});
  const PackedTextEncoder encoder(config, std::move(weights), kTextLen);
  Report report({"tokens", "prompts", "encode p50", "p95", "queue p50"});
  for (const int tokens : kLengths) {
    const absl::Status status = MeasureLength(encoder, tokens, options.prompts, report);
    if (!status.ok()) return status;
  }
  const absl::Status written =
      WriteReport(options.json_file, report.Json({{"device", DeviceName()}, {"shape", "UMT5-XXL, random weights"}}));
  if (!written.ok()) return written;
  return absl::StrCat(DeviceName(), "; shape benchmark, UMT5-XXL bf16 with random weights, ", encoder.bytes() / 1000000,
                      " MB; one prompt at a time; times in ms: on the device by events, and to queue\n\n",
                      report.Table());
}

#else

absl::StatusOr<std::string> RunTextBench(const TextBenchOptions&) {
  return absl::FailedPreconditionError("text: this build has no CUDA; use the preset cuda");
}

#endif

}  // namespace videodiffcr
