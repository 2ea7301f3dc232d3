#include "bench/decode_bench.h"

#include "bench/report.h"
#ifdef VIDEODIFFCR_CUDA
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>

#include <functional>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/device_timer.h"
#include "model/gpu/decoder/frame_download.h"
#include "model/load/decoders.h"
#include "model/plain/decoder/taehv.h"
#include "model/plain/decoder/video_decoder.h"
#include "model/plain/decoder/wan_vae.h"
#include "model/weights/random_weights.h"
#include "system/steady_time.h"
#endif

namespace videodiffcr {

#ifdef VIDEODIFFCR_CUDA
namespace {

constexpr int64_t kLatentHeight = 60, kLatentWidth = 104, kLatentChannels = 16, kChunkFrames = 3;
constexpr int kWarmUpChunks = 3;
constexpr uint64_t kSeed = 1;
// Arithmetic of a steady chunk (wan_vae.md sections 8 and 9).
constexpr double kWanVaeTeraFlops = 40.65, kTaehvTeraFlops = 1.63;

const at::Device kGpu(at::kCUDA, 0);

// Latents [3, 16, 60, 104] to pixels of one more chunk.
using DecodeChunk = std::function<absl::StatusOr<at::Tensor>(const at::Tensor& latents)>;

struct Contender {
  std::string decoder, path, type;
  double tera_flops = 0;
  int64_t state_bytes = 0;
  int chunks = 0;
  DecodeChunk decode;
};

struct DecodeSamples {
  Samples device, queue, to_host;
};

absl::Status MeasureChunk(const Contender& contender, const at::Tensor& latents, DecodeSamples* samples) {
  DeviceTimer timer;
  const absl::Time began = SteadyNow();
  timer.Start();
  const absl::StatusOr<at::Tensor> pixels = contender.decode(latents);
  timer.Stop();
  const absl::Duration queued = SteadyNow() - began;
  if (!pixels.ok()) return pixels.status();
  const double device = timer.Milliseconds();
  const absl::Time decoded = SteadyNow();
  const absl::StatusOr<FrameChunk> frames = DownloadFrames(*pixels, PixelFormat::kYuv420p);
  if (!frames.ok()) return frames.status();
  if (samples == nullptr) return absl::OkStatus();
  samples->device.Add(device);
  samples->queue.Add(queued);
  samples->to_host.Add(SteadyNow() - decoded);
  return absl::OkStatus();
}

absl::Status Measure(const Contender& contender, Report& report) {
  const at::Tensor latents = at::randn({kChunkFrames, kLatentChannels, kLatentHeight, kLatentWidth}, kGpu);
  DecodeSamples samples;
  for (int chunk = 0; chunk < kWarmUpChunks + contender.chunks; ++chunk) {
    const absl::Status status = MeasureChunk(contender, latents, chunk < kWarmUpChunks ? nullptr : &samples);
    if (!status.ok()) return status;
  }
  const auto ms = [](double value) { return absl::StrFormat("%.2f", value); };
  report.AddRow({contender.decoder, contender.path, contender.type, absl::StrCat(samples.device.size()),
                 ms(samples.device.Median()), ms(samples.device.Quantile(0.95)), ms(samples.queue.Median()),
                 ms(samples.to_host.Median()),
                 absl::StrFormat("%.0f", 1e3 * contender.tera_flops / samples.device.Median()),
                 absl::StrFormat("%.0f", static_cast<double>(contender.state_bytes) / 1e6)});
  return absl::OkStatus();
}

VideoDecoderOptions OptionsFor(at::ScalarType dtype) {
  return {.latent_height = kLatentHeight, .latent_width = kLatentWidth, .dtype = dtype, .device = kGpu};
}

// The serving path behind the interface that the server uses.
Contender Serving(const std::string& name, std::unique_ptr<const VideoDecoder> made, const std::string& type,
                  double tera_flops, int chunks) {
  const std::shared_ptr<const VideoDecoder> decoder = std::move(made);
  const auto state = std::make_shared<DecoderState>(decoder->NewState());
  return {
      name, "serving", type, tera_flops, decoder->state_bytes(), chunks, [decoder, state](const at::Tensor& latents) {
        return decoder->Decode(latents, *state);
      }};
}

absl::Status MeasureWanVae(const DecodeBenchOptions& options, Report& report) {
  const DecoderConfig config = {.kind = DecoderKind::kWanVae};
  WanVaeDecoderWeights wide;
  FillRandomWeights(WanVaeDecoderTable(config, &wide), kSeed, {.device = kGpu});
  absl::Status status =
      Measure(Serving("Wan VAE", MakeWanVaeVideoDecoder(wide, config.z_dim, OptionsFor(at::kBFloat16)), "bf16",
                      kWanVaeTeraFlops, options.chunks),
              report);
  if (!status.ok()) return status;
  const auto narrow = std::make_shared<WanVaeDecoderWeights>();
  FillRandomWeights(WanVaeDecoderTable(config, narrow.get()), kSeed, {.dtype = at::kBFloat16, .device = kGpu});
  const auto state = std::make_shared<WanVaeDecoderState>();
  return Measure({"Wan VAE", "plain", "bf16", kWanVaeTeraFlops, 1'888'573'440, options.chunks / 5 + 1,
                  [narrow, state](const at::Tensor& latents) {
                    return ((DecodeWanVae(*narrow, latents.to(at::kBFloat16), state.get()) + 1) / 2).to(at::kFloat);
                  }},
                 report);
}

absl::Status MeasureTaehv(const DecodeBenchOptions& options, Report& report) {
  TaehvDecoderWeights wide;
  FillRandomWeights(TaehvDecoderTable(kLatentChannels, &wide), kSeed, {.device = kGpu});
  for (const auto& [dtype, type] : {std::pair{at::kHalf, "fp16"}, std::pair{at::kBFloat16, "bf16"}}) {
    const absl::Status status =
        Measure(Serving("TAEHV", MakeTaehvVideoDecoder(wide, kLatentChannels, OptionsFor(dtype)), type, kTaehvTeraFlops,
                        options.chunks),
                report);
    if (!status.ok()) return status;
  }
  const auto narrow = std::make_shared<TaehvDecoderWeights>();
  FillRandomWeights(TaehvDecoderTable(kLatentChannels, narrow.get()), kSeed, {.dtype = at::kHalf, .device = kGpu});
  const auto memories = std::make_shared<std::vector<at::Tensor>>();
  return Measure({"TAEHV", "plain", "fp16", kTaehvTeraFlops, 67'092'480, options.chunks,
                  [narrow, memories](const at::Tensor& latents) {
                    return DecodeTaehv(*narrow, latents.to(at::kHalf).unsqueeze(0), memories.get())[0].to(at::kFloat);
                  }},
                 report);
}

}  // namespace

absl::StatusOr<std::string> RunDecodeBench(const DecodeBenchOptions& options) {
  if (!at::hasCUDA()) return absl::FailedPreconditionError("decode: needs a CUDA device");
  const at::NoGradGuard no_gradients;
  Report report(
      {"decoder", "path", "type", "chunks", "decode p50", "p95", "queue p50", "to host p50", "TFLOP/s", "state MB"});
  absl::Status status = MeasureWanVae(options, report);
  if (status.ok()) status = MeasureTaehv(options, report);
  if (status.ok()) {
    status =
        WriteReport(options.json_file, report.Json({{"device", DeviceName()}, {"shape", "832x480, random weights"}}));
  }
  if (!status.ok()) return status;
  return absl::StrCat(
      DeviceName(), "; shape benchmark, random weights, 832x480; steady chunks of 3 latent frames to 12 ",
      "frames; times in ms: on the device by events, to queue, and to the host as YUV 4:2:0\n\n", report.Table());
}

#else

absl::StatusOr<std::string> RunDecodeBench(const DecodeBenchOptions&) {
  return absl::FailedPreconditionError("decode: this build has no CUDA; use the preset cuda");
}

#endif

}  // namespace videodiffcr
