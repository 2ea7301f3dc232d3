// Decoding as one launch of a CUDA graph against the same decoder's own calls.
#include "model/gpu/decoder/decode_graph.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "model/config/model_config.h"
#include "model/load/decoders.h"
#include "tests/model/golden_files.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kChunkFrames = 3;
const at::Device kGpu(at::kCUDA, 0);

std::unique_ptr<const VideoDecoder> TinyDecoder(at::ScalarType dtype) {
  const ModelConfig config = LoadModelConfig(SourcePath("models/tiny")).value();
  const VideoDecoderOptions options = {.latent_height = config.transformer.latent_height,
                                       .latent_width = config.transformer.latent_width,
                                       .dtype = dtype,
                                       .device = kGpu};
  return LoadVideoDecoder(SourcePath("models/tiny"), config.decoder, options).value();
}

// [frames, 16, 12, 20], others at each call.
at::Tensor SomeLatents(int64_t frames = kChunkFrames) { return at::randn({frames, 16, 12, 20}, kGpu); }

// One session's state for the graph and one for the decoder's own calls, fed alike.
struct Twins {
  explicit Twins(const VideoDecoder& decoder) : recorded(decoder.NewState()), plain(decoder.NewState()) {}
  DecoderState recorded, plain;
};

// Waits for the device in the middle, which no recording can hold.
class WaitingDecoder final : public VideoDecoder {
 public:
  WaitingDecoder() : VideoDecoder({.latent_height = 12, .latent_width = 20, .device = kGpu}, 16, {{1}}) {}

 private:
  at::Tensor DecodeFrames(const at::Tensor& latents, bool, std::vector<at::Tensor>&) const override {
    const at::Tensor pixels = latents * 2;
    C10_CUDA_CHECK(cudaStreamSynchronize(c10::cuda::getCurrentCUDAStream().stream()));
    return pixels + 1;
  }
};

class DecodeGraphTest : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(11); }

  // Returns the graph's pixels.
  static at::Tensor ExpectSameChunk(DecodeGraph& graph, const VideoDecoder& decoder, Twins& session,
                                    int64_t frames = kChunkFrames) {
    const at::Tensor latents = SomeLatents(frames);
    // The plain call comes second: what it takes must not be the graph's.
    const at::Tensor recorded = graph.Decode(latents, session.recorded).value(), kept = recorded.clone();
    const at::Tensor plain = decoder.Decode(latents, session.plain).value();
    EXPECT_TRUE(at::equal(kept, plain));
    EXPECT_TRUE(at::equal(recorded, plain));
    EXPECT_TRUE(session.recorded.scene_started);
    for (size_t i = 0; i < session.plain.carried.size(); ++i) {
      EXPECT_TRUE(at::equal(session.recorded.carried[i], session.plain.carried[i])) << i;
    }
    return recorded;
  }

  const at::NoGradGuard no_gradients_;
  const c10::cuda::CUDAStreamGuard on_stream_{c10::cuda::getStreamFromPool(/*isHighPriority=*/true)};
};

TEST_F(DecodeGraphTest, GivesSessionsInTurnTheBitsOfTheDecoder) {
  for (const at::ScalarType dtype : {at::kBFloat16, at::kFloat}) {
    const auto decoder = TinyDecoder(dtype);
    const auto graph = DecodeGraph::Record(*decoder, SomeLatents()).value();
    auto first = std::make_unique<Twins>(*decoder);
    for (int chunk = 0; chunk < 2; ++chunk) ExpectSameChunk(*graph, *decoder, *first);
    Twins later(*decoder);
    for (int chunk = 0; chunk < 3; ++chunk) {
      ExpectSameChunk(*graph, *decoder, *first);
      ExpectSameChunk(*graph, *decoder, later);
    }
    first.reset();
    Twins in_its_memory(*decoder);
    for (int chunk = 0; chunk < 3; ++chunk) {
      ExpectSameChunk(*graph, *decoder, later);
      ExpectSameChunk(*graph, *decoder, in_its_memory);
    }
  }
}

TEST_F(DecodeGraphTest, DecodesTheFirstChunkOfANewSceneToo) {
  const auto decoder = TinyDecoder(at::kBFloat16);
  const auto graph = DecodeGraph::Record(*decoder, SomeLatents()).value();
  Twins session(*decoder);
  for (int scene = 0; scene < 2; ++scene) {
    for (DecoderState* state : {&session.recorded, &session.plain}) decoder->StartScene(*state);
    EXPECT_EQ(ExpectSameChunk(*graph, *decoder, session).size(0), 9);
    EXPECT_EQ(ExpectSameChunk(*graph, *decoder, session).size(0), 12);
  }
}

TEST_F(DecodeGraphTest, WritesEveryLaterChunkToTheSamePixels) {
  const auto decoder = TinyDecoder(at::kBFloat16);
  const auto graph = DecodeGraph::Record(*decoder, SomeLatents()).value();
  Twins session(*decoder);
  const at::Tensor first = ExpectSameChunk(*graph, *decoder, session);
  const at::Tensor second = ExpectSameChunk(*graph, *decoder, session);
  const at::Tensor third = ExpectSameChunk(*graph, *decoder, session);
  EXPECT_NE(first.const_data_ptr(), second.const_data_ptr());
  EXPECT_EQ(second.const_data_ptr(), third.const_data_ptr());  // both are held: no two runs of memory
}

TEST_F(DecodeGraphTest, LeavesOtherShapesAndBadStatesToTheDecoder) {
  const auto decoder = TinyDecoder(at::kBFloat16);
  const auto graph = DecodeGraph::Record(*decoder, SomeLatents()).value();
  Twins session(*decoder);
  for (const int64_t frames : {3, 1, 3, 2}) ExpectSameChunk(*graph, *decoder, session, frames);
  EXPECT_THAT(graph->Decode(at::zeros({3, 16, 12, 21}, kGpu), session.recorded).status().message(),
              HasSubstr("latents: shape"));
  session.recorded.carried.pop_back();
  EXPECT_THAT(graph->Decode(SomeLatents(), session.recorded).status().message(), HasSubstr("state:"));
}

TEST_F(DecodeGraphTest, SaysWhyWorkCannotBeRecordedAndLeavesStreamAndMemoryAsTheyWere) {
  const absl::Status refused = DecodeGraph::Record(WaitingDecoder(), SomeLatents()).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(refused.message(), HasSubstr("recording the decode of a chunk"));
  EXPECT_THAT(refused.message(), HasSubstr("captur"));
  const auto decoder = TinyDecoder(at::kBFloat16);
  Twins session(*decoder);
  const auto graph = DecodeGraph::Record(*decoder, SomeLatents());
  ASSERT_TRUE(graph.ok()) << graph.status();
  for (int chunk = 0; chunk < 3; ++chunk) ExpectSameChunk(**graph, *decoder, session);
}

TEST_F(DecodeGraphTest, RefusesTheDefaultStreamAndTensorsOfTheHost) {
  const auto decoder = TinyDecoder(at::kBFloat16);
  EXPECT_EQ(DecodeGraph::Record(*decoder, SomeLatents().cpu()).status().code(), absl::StatusCode::kInvalidArgument);
  const c10::cuda::CUDAStreamGuard on_default(c10::cuda::getDefaultCUDAStream());
  EXPECT_THAT(DecodeGraph::Record(*decoder, SomeLatents()).status().message(), HasSubstr("default"));
}

}  // namespace
}  // namespace videodiffcr
