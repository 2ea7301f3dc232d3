// The decoders' fast path on a GPU against the plain networks in fp32.
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "model/gpu/decoder/frame_download.h"
#include "model/gpu/decoder/taehv_decoder.h"
#include "model/gpu/decoder/wan_vae_decoder.h"
#include "model/plain/decoder/taehv.h"
#include "model/plain/decoder/wan_vae.h"
#include "model/weights/random_weights.h"
#include "tests/model/golden_files.h"

namespace videodiffcr {
namespace {

constexpr int64_t kHeight = 6, kWidth = 10;  // of the latents
const at::Device kGpu(at::kCUDA, 0);
const WeightOptions kWideOnGpu = {.dtype = at::kFloat, .device = kGpu};

VideoDecoderOptions OptionsFor(at::ScalarType dtype) {
  return {.latent_height = kHeight, .latent_width = kWidth, .dtype = dtype, .device = kGpu};
}

double Cosine(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kDouble).flatten(), y = b.to(at::kDouble).flatten();
  return (x.dot(y) / (x.norm() * y.norm())).item<double>();
}
double RelativeError(const at::Tensor& ours, const at::Tensor& expected) {
  return ((ours - expected).norm() / expected.norm()).item<double>();
}

class DeviceDecoders : public ::testing::Test {
 protected:
  void SetUp() override {
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
    at::manual_seed(7);
    latents_ = at::randn({7, 16, kHeight, kWidth}, kGpu);
  }

  // A first chunk, a later one, and one of a single latent frame.
  at::Tensor DecodeInChunks(const VideoDecoder& decoder, DecoderState& state) {
    std::vector<at::Tensor> pixels;
    for (const auto& [first, frames] : {std::pair{0, 3}, std::pair{3, 3}, std::pair{6, 1}}) {
      pixels.push_back(decoder.Decode(latents_.narrow(0, first, frames), state).value());
    }
    return at::cat(pixels);
  }

  const at::NoGradGuard no_gradients_;
  at::Tensor latents_;
};

class DeviceWanVae : public DeviceDecoders {
 protected:
  // Half of the real widths: every tile of the convolution is used.
  static DecoderConfig Config() { return {.kind = DecoderKind::kWanVae, .base_dim = 48}; }
  static WanVaeDecoderWeights Weights() {
    WanVaeDecoderWeights weights;
    FillRandomWeights(WanVaeDecoderTable(Config(), &weights), 1, kWideOnGpu);
    return weights;
  }
  at::Tensor Plain(const WanVaeDecoderWeights& weights) {
    WanVaeDecoderState state;
    return ((DecodeWanVae(weights, latents_, &state) + 1) / 2).clamp(0, 1);
  }
};

TEST_F(DeviceWanVae, EqualsThePlainNetworkButForRounding) {
  const WanVaeDecoderWeights weights = Weights();
  const at::Tensor expected = Plain(weights);
  for (const auto& [dtype, tolerance] : {std::pair{at::kBFloat16, 2e-2}, std::pair{at::kHalf, 3e-3}}) {
    ASSERT_TRUE(DeviceWanVaeTakes(weights, OptionsFor(dtype)));
    const auto decoder = MakeDeviceWanVaeDecoder(weights, 16, OptionsFor(dtype));
    DecoderState state = decoder->NewState();
    EXPECT_EQ(state.bytes(), decoder->state_bytes());
    const at::Tensor pixels = DecodeInChunks(*decoder, state);
    EXPECT_EQ(state.bytes(), decoder->state_bytes());
    ASSERT_EQ(pixels.sizes(), expected.sizes());
    const double error = RelativeError(pixels, expected), cosine = Cosine(pixels - 0.5, expected - 0.5);
    RecordProperty(dtype == at::kHalf ? "fp16" : "bf16", std::to_string(error));
    printf("wan_vae %s relative error %.2e cosine %.6f\n", at::toString(dtype), error, cosine);
    EXPECT_LE(error, tolerance);
    EXPECT_GE(cosine, 0.9995);
  }
}

TEST_F(DeviceWanVae, GivesTheSameBitsAgainAndAfterANewScene) {
  const auto decoder = MakeDeviceWanVaeDecoder(Weights(), 16, OptionsFor(at::kBFloat16));
  DecoderState state = decoder->NewState(), other = decoder->NewState();
  const at::Tensor first = DecodeInChunks(*decoder, state);
  EXPECT_TRUE(at::equal(DecodeInChunks(*decoder, other), first));
  decoder->StartScene(state);
  EXPECT_TRUE(at::equal(DecodeInChunks(*decoder, state), first));
}

TEST_F(DeviceWanVae, DecodesAnyCutIntoCallsAlike) {
  const auto decoder = MakeDeviceWanVaeDecoder(Weights(), 16, OptionsFor(at::kHalf));
  DecoderState whole = decoder->NewState(), parts = decoder->NewState();
  EXPECT_LE(RelativeError(decoder->Decode(latents_, whole).value(), DecodeInChunks(*decoder, parts)), 1e-3);
}

TEST_F(DeviceWanVae, LeavesOtherTypesAndOddWidthsToThePlainNetwork) {
  const WanVaeDecoderWeights weights = Weights();
  EXPECT_FALSE(DeviceWanVaeTakes(weights, OptionsFor(at::kFloat)));
  VideoDecoderOptions cpu = OptionsFor(at::kBFloat16);
  cpu.device = at::kCPU;
  EXPECT_FALSE(DeviceWanVaeTakes(weights, cpu));
  WanVaeDecoderWeights narrow;
  FillRandomWeights(WanVaeDecoderTable({.kind = DecoderKind::kWanVae, .base_dim = 12}, &narrow), 1, kWideOnGpu);
  EXPECT_FALSE(DeviceWanVaeTakes(narrow, OptionsFor(at::kBFloat16)));
}

class DeviceTaehv : public DeviceDecoders {
 protected:
  static TaehvDecoderWeights Weights() {
    TaehvDecoderWeights weights;
    FillRandomWeights(TaehvDecoderTable(16, &weights), 2, kWideOnGpu);
    return weights;
  }
};

TEST_F(DeviceTaehv, EqualsThePlainNetworkButForRounding) {
  const TaehvDecoderWeights weights = Weights();
  std::vector<at::Tensor> memories;
  const at::Tensor raw = DecodeTaehv(weights, latents_.unsqueeze(0), &memories)[0].slice(0, kTaehvFramesPerLatent - 1);
  const at::Tensor expected = raw.clamp(0, 1);
  for (const auto& [dtype, tolerance] : {std::pair{at::kBFloat16, 3e-2}, std::pair{at::kHalf, 4e-3}}) {
    const auto decoder = MakeDeviceTaehvDecoder(weights, 16, OptionsFor(dtype));
    DecoderState state = decoder->NewState();
    const at::Tensor pixels = DecodeInChunks(*decoder, state);
    EXPECT_EQ(state.bytes(), decoder->state_bytes());
    ASSERT_EQ(pixels.sizes(), expected.sizes());
    const double error = RelativeError(pixels, expected), cosine = Cosine(pixels, expected);
    printf("taehv %s relative error %.2e cosine %.6f\n", at::toString(dtype), error, cosine);
    EXPECT_LE(error, tolerance);
    EXPECT_GE(cosine, 0.9995);
  }
}

TEST_F(DeviceTaehv, GivesTheSameBitsAgainAndAfterANewScene) {
  const auto decoder = MakeDeviceTaehvDecoder(Weights(), 16, OptionsFor(at::kHalf));
  DecoderState state = decoder->NewState();
  const at::Tensor first = DecodeInChunks(*decoder, state);
  decoder->StartScene(state);
  EXPECT_TRUE(at::equal(DecodeInChunks(*decoder, state), first));
}

// What a call holds at most beside what was held before it.
int64_t MostHeldBy(const VideoDecoder& decoder, const at::Tensor& latents) {
  namespace allocator = c10::cuda::CUDACachingAllocator;
  DecoderState state = decoder.NewState();
  EXPECT_TRUE(decoder.Decode(latents, state).ok());  // takes what LibTorch's products keep
  const auto held = [] { return allocator::getDeviceStats(0).allocated_bytes[0]; };  // of all pools
  allocator::resetPeakStats(0);
  const int64_t before = held().current;
  EXPECT_TRUE(decoder.Decode(latents, state).ok());
  return held().peak - before;
}

TEST_F(DeviceDecoders, TellWhatACallWorksIn) {
  const VideoDecoderOptions options = {
      .latent_height = 60, .latent_width = 104, .dtype = at::kHalf, .device = at::Device(at::kCUDA, 0)};
  const at::Tensor latents = at::randn({3, 16, options.latent_height, options.latent_width}, kGpu);
  TaehvDecoderWeights taehv;
  FillRandomWeights(TaehvDecoderTable(16, &taehv), 2, kWideOnGpu);
  WanVaeDecoderWeights wan;
  FillRandomWeights(WanVaeDecoderTable({.kind = DecoderKind::kWanVae, .base_dim = 96}, &wan), 1, kWideOnGpu);
  for (const auto& decoder : {MakeDeviceTaehvDecoder(taehv, 16, options), MakeDeviceWanVaeDecoder(wan, 16, options)}) {
    const int64_t work = decoder->work_space_bytes(3), held = MostHeldBy(*decoder, latents);
    printf("work space %lld MB, held at most %lld MB\n", static_cast<long long>(work / 1'000'000),
           static_cast<long long>(held / 1'000'000));
    EXPECT_GE(held, work);
    EXPECT_LT(held, 2 * work);  // pixels and attention's scores are the rest
  }
}

TEST_F(DeviceDecoders, HandsFramesToTheHostAsBytes) {
  const at::Tensor pixels = latents_.narrow(1, 0, 3).mul(0.3).add(0.5).contiguous();
  const FrameChunk rgb = DownloadFrames(pixels, PixelFormat::kRgb24).value();
  EXPECT_EQ(rgb.width, kWidth);
  EXPECT_EQ(rgb.height, kHeight);
  EXPECT_EQ(rgb.frame_count, 7);
  const at::Tensor expected = (pixels.clamp(0, 1) * 255).round().permute({0, 2, 3, 1}).contiguous().cpu();
  ASSERT_EQ(static_cast<int64_t>(rgb.pixels.size()), expected.numel());
  for (size_t i = 0; i < rgb.pixels.size(); ++i) {
    ASSERT_LE(std::abs(rgb.pixels[i] - expected.const_data_ptr<float>()[i]), 1) << i;
  }
  EXPECT_EQ(DownloadFrames(pixels, PixelFormat::kYuv420p)->pixels.size(), rgb.pixels.size() / 2);
  EXPECT_EQ(DownloadFrames(pixels.narrow(3, 0, 9), PixelFormat::kYuv420p).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DownloadFrames(pixels.cpu(), PixelFormat::kRgb24).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace videodiffcr
