// Retention of the cache on the plain path, against loops over single numbers that know nothing of masks and ranks.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "model/config/noise.h"
#include "model/plain/rollout/few_step_sampler.h"
#include "tests/model/small_transformer.h"

namespace videodiffcr {
namespace {

constexpr int kTokens = 18, kInFrame = 6, kColumns = 3, kDim = 32, kHeads = 2, kHeadDim = 16;
constexpr uint64_t kSeed = 77;

using Rows = std::vector<std::vector<double>>;

double At(const at::Tensor& x, std::initializer_list<int64_t> place) {
  at::Tensor element = x;
  for (const int64_t i : place) element = element[i];
  return element.item<double>();
}

// The second block of the small model in a context pass of the chunk behind `first_frame` frames.
class ContextBlock {
 public:
  ContextBlock(RopePositions rope, int64_t first_frame) : first_frame_(first_frame) {
    TransformerConfig config = SmallTransformerConfig();
    config.rope_positions = rope;
    model_ = MakeSmallRoutedTransformer(config);
    positions_ = MakePositions(model_, first_frame, 3, 0);
    text_ = MakeTextKeys(model_, SmallPrompt());
    output_ = DenseBlock(weights(), context(), x_);
  }

  const BlockWeights& weights() const { return model_.weights.blocks[1]; }
  BlockContext context() const { return {kHeads, 1e-6, time_, nothing_, positions_, text_[1]}; }

  std::vector<double> Scores(CacheScore score, uint64_t seed = kSeed) const {
    const BlockContext context = this->context();
    const at::Tensor scores =
        RankCachedKeys({score, {50, 50}, {seed}}, {1, weights(), context, x_, output_, first_frame_});
    std::vector<double> values;
    for (int64_t token = 0; token < kTokens; ++token) values.push_back(At(scores, {0, token}));
    return values;
  }

  // LN(x), and with a modulation: times 1 + scale plus shift.
  Rows Normed(bool modulated) const {
    Rows rows(kTokens, std::vector<double>(kDim));
    for (int token = 0; token < kTokens; ++token) {
      double mean = 0, variance = 0;
      for (int i = 0; i < kDim; ++i) mean += At(x_, {0, token, i}) / kDim;
      for (int i = 0; i < kDim; ++i) variance += std::pow(At(x_, {0, token, i}) - mean, 2) / kDim;
      for (int i = 0; i < kDim; ++i) {
        const auto m = [&](int64_t j) {
          return At(weights().modulation, {0, j, i}) + At(time_, {0, token / kInFrame, j, i});
        };
        const double normed = (At(x_, {0, token, i}) - mean) / std::sqrt(variance + 1e-6);
        rows[token][i] = modulated ? normed * (1 + m(1)) + m(0) : normed;
      }
    }
    return rows;
  }

  // Queries or keys: RMS over all heads, then every pair turned by its token's frame, row or column.
  Rows Turned(const LinearWeights& linear, const at::Tensor& norm, int64_t first_position) const {
    const Rows h = Normed(true);
    Rows rows(kTokens, std::vector<double>(kDim));
    for (int token = 0; token < kTokens; ++token) {
      std::vector<double>& out = rows[token];
      double square = 0;
      for (int i = 0; i < kDim; ++i) {
        out[i] = At(linear.bias, {i});
        for (int j = 0; j < kDim; ++j) out[i] += At(linear.weight, {i, j}) * h[token][j];
        square += out[i] * out[i] / kDim;
      }
      for (int i = 0; i < kDim; ++i) out[i] *= At(norm, {i}) / std::sqrt(square + 1e-6);
      for (int pair = 0; pair < kDim / 2; ++pair) {
        const int in_head = pair % (kHeadDim / 2);  // 4 pairs turn with the frame, 2 with the row, 2 with the column
        const int place = token % kInFrame;
        const double angle = in_head < 4   ? (token / kInFrame + first_position) * std::pow(10000.0, -in_head / 4.0)
                             : in_head < 6 ? place / kColumns * std::pow(10000.0, -(in_head - 4) / 2.0)
                                           : place % kColumns * std::pow(10000.0, -(in_head - 6) / 2.0);
        const double a = out[2 * pair], b = out[2 * pair + 1];
        out[2 * pair] = a * std::cos(angle) - b * std::sin(angle);
        out[2 * pair + 1] = a * std::sin(angle) + b * std::cos(angle);
      }
    }
    return rows;
  }

 private:
  const c10::NoGradGuard no_gradients_;
  const int64_t first_frame_;
  DiffusionTransformer model_;
  const at::Tensor x_ = FillNoise("x", {1, kTokens, kDim});
  const at::Tensor time_ = FillNoise("time", {1, 3, 6, kDim}) * 0.3;
  const KeysValues nothing_;
  ChunkPositions positions_;
  TextKeys text_;
  BlockOutput output_;
};

void ExpectScores(const std::vector<double>& found, const std::vector<double>& naive) {
  ASSERT_EQ(found.size(), naive.size());
  for (size_t i = 0; i < naive.size(); ++i) EXPECT_NEAR(found[i], naive[i], 1e-4 * (1 + std::abs(naive[i]))) << i;
}

TEST(CacheRankingTest, SaliencyIsTheSoftmaxOfTheMeanLogitOverTheMeanOfItsFrame) {
  for (const RopePositions rope : {RopePositions::kAbsolute, RopePositions::kWindowRelative}) {
    const int64_t first_frame = rope == RopePositions::kAbsolute ? 6 : 0;
    const ContextBlock block(rope, first_frame);
    const AttentionWeights& attention = block.weights().self_attn;
    const Rows q = block.Turned(attention.q, attention.norm_q, first_frame);
    const Rows k = block.Turned(attention.k, attention.norm_k, first_frame);
    std::vector<double> naive(kTokens, 0.0);
    for (int head = 0; head < kHeads; ++head) {
      std::vector<double> weight(kTokens, 0.0);
      for (int key = 0; key < kTokens; ++key) {
        double logit = 0;
        for (int query = 0; query < kTokens; ++query) {
          for (int i = head * kHeadDim; i < (head + 1) * kHeadDim; ++i) logit += q[query][i] * k[key][i] / kTokens;
        }
        weight[key] = std::exp(logit / std::sqrt(1.0 * kHeadDim));
      }
      const double sum = std::accumulate(weight.begin(), weight.end(), 0.0);
      for (int key = 0; key < kTokens; ++key) naive[key] += weight[key] / sum / kHeads;
    }
    for (int frame = 0; frame < 3; ++frame) {
      const auto begin = naive.begin() + frame * kInFrame;
      const double mean = std::accumulate(begin, begin + kInFrame, 0.0) / kInFrame;
      std::transform(begin, begin + kInFrame, begin, [mean](double a) { return a / mean; });
    }
    ExpectScores(block.Scores(CacheScore::kSaliency), naive);
  }
}

TEST(CacheRankingTest, KeyNormIsTheLengthOfTheWholeKey) {
  for (const RopePositions rope : {RopePositions::kAbsolute, RopePositions::kWindowRelative}) {
    const ContextBlock block(rope, 0);
    const AttentionWeights& attention = block.weights().self_attn;
    std::vector<double> naive;
    for (const std::vector<double>& key : block.Turned(attention.k, attention.norm_k, 0)) {
      naive.push_back(std::sqrt(std::inner_product(key.begin(), key.end(), key.begin(), 0.0)));
    }
    ExpectScores(block.Scores(CacheScore::kKeyNorm), naive);
  }
}

TEST(CacheRankingTest, TheRouterScoresTheBlocksInput) {
  const ContextBlock block(RopePositions::kAbsolute, 0);
  const RouterWeights& router = *block.weights().router;
  const Rows x = block.Normed(false);
  std::vector<double> naive(kTokens, 0.0);
  for (int token = 0; token < kTokens; ++token) {
    for (int channel = 0; channel < 8; ++channel) {
      double mixed = 0;
      for (int from = 0; from < 3; ++from) {
        double z = At(router.down.bias, {channel});
        const std::vector<double>& row = x[from * kInFrame + token % kInFrame];
        for (int i = 0; i < kDim; ++i) z += At(router.down.weight, {channel, i}) * row[i];
        mixed += At(router.mix, {channel, token / kInFrame, from}) * z;
      }
      naive[token] += At(router.score, {0, channel}) * mixed / (1 + std::exp(-mixed));
    }
  }
  ExpectScores(block.Scores(CacheScore::kRouter), naive);
}

TEST(CacheRankingTest, RandomScoresAreTheSessionsOwnAndNewForEveryChunk) {
  const ContextBlock first(RopePositions::kAbsolute, 0), later(RopePositions::kAbsolute, 3);
  EXPECT_EQ(first.Scores(CacheScore::kRandom), first.Scores(CacheScore::kRandom));
  EXPECT_NE(first.Scores(CacheScore::kRandom), first.Scores(CacheScore::kRandom, kSeed + 1));
  EXPECT_NE(first.Scores(CacheScore::kRandom), later.Scores(CacheScore::kRandom));
}

TEST(CacheRankingTest, TheBestOfWhatIsNoSinkStayWithIt) {
  const at::Tensor scores = at::tensor({9.f, 1.f, 5.f, 5.f, 2.f, 5.f}).unsqueeze(0);
  const auto stays = [&scores](int percent, int64_t sink) {
    std::vector<int> tokens;
    const at::Tensor marks = ChooseCachedKeys(scores, percent, sink);
    for (int token = 0; token < 6; ++token) {
      if (marks[0][token].item<bool>()) tokens.push_back(token);
    }
    return tokens;
  };
  EXPECT_EQ(stays(50, 0), (std::vector<int>{0, 2, 3})) << "of equal ones the first";
  EXPECT_EQ(stays(50, 2), (std::vector<int>{0, 1, 2, 3})) << "two of four beside the sink";
  EXPECT_EQ(stays(1, 5), (std::vector<int>{0, 1, 2, 3, 4, 5})) << "at least one";
  EXPECT_EQ(stays(1, 6), (std::vector<int>{0, 1, 2, 3, 4, 5}));
}

// Rows that may be seen, by number.
std::vector<int64_t> SeenRows(const KeysValues& keys) {
  std::vector<int64_t> rows;
  for (int64_t row = 0; row < keys.k.size(1); ++row) {
    if (!keys.seen.defined() || keys.seen[0][row].item<bool>()) rows.push_back(row);
  }
  return rows;
}

SamplerOptions Options() {
  SamplerOptions options;
  options.schedule = *MakeStepSchedule({});
  return options;
}

// Three chunks, of which the first frame is sink; the past of each chunk's passes is left in `pasts`.
RolloutState Rollout(const DiffusionTransformer& model, const CacheRule& rule,
                     std::vector<std::vector<KeysValues>>* pasts) {
  RolloutState state(model.config);
  state.text = MakeTextKeys(model, SmallPrompt());
  state.cache_rule = rule;
  for (int64_t chunk = 0; chunk < 3; ++chunk) {
    SampleChunk(model, Options(), DenseRetentionTable(2, 4), DrawChunkNoise(model, 11, chunk, 4), &state);
    pasts->push_back(state.cache.past());
  }
  return state;
}

TEST(CacheRetentionTest, AMarkedKeyIsAsGoodAsGoneForEveryScore) {
  const c10::NoGradGuard no_gradients;
  TransformerConfig config = SmallTransformerConfig();
  config.window_frames = 7;  // the third chunk pushes a part of the first out
  config.sink_frames = 1;
  const DiffusionTransformer model = MakeSmallRoutedTransformer(config);
  for (const auto& [score, name] : CacheScoreNames()) {
    SCOPED_TRACE(name);
    std::vector<std::vector<KeysValues>> pasts;
    const RolloutState state = Rollout(model, {score, {50, 25}, {kSeed}}, &pasts);
    // 6 of the sink, then half or a quarter of 12 and of 18; capacity is 4 frames, so that one frame of the second
    // chunk is all that is left beside the third.
    EXPECT_EQ(SeenRows(pasts[0][0]).size(), 6u + 6u);
    EXPECT_EQ(SeenRows(pasts[0][1]).size(), 6u + 3u);
    EXPECT_EQ(pasts[2][0].k.size(1), 4 * kInFrame);
    EXPECT_EQ(SeenRows(pasts[2][0]).size(), 6u + 9u);
    EXPECT_EQ(SeenRows(pasts[2][1]).size(), 6u + 5u) << "4.5, rounded half up";

    PassInput pass = MakePass(FillNoise("latent", {1, 3, 4, 4, 6}), 500.0f, {}, state);
    const at::Tensor marked = RunPass(model, pass).flow;
    const at::Tensor whole = [&] {
      PassInput all = pass;
      for (KeysValues& layer : all.past) layer.seen = at::Tensor();
      return RunPass(model, all).flow;
    }();
    for (KeysValues& layer : pass.past) {
      const at::Tensor rows = at::tensor(SeenRows(layer));
      layer = {layer.k.index_select(1, rows), layer.v.index_select(1, rows)};
    }
    const at::Tensor gone = RunPass(model, pass).flow;
    EXPECT_LE((marked - gone).abs().max().item<float>(), 1e-5f);
    EXPECT_GT((marked - whole).abs().max().item<float>(), 1e-3f) << "the keys that went had a say";
  }
}

TEST(CacheRetentionTest, AllOfTheCacheIsTheSameBitForBit) {
  const c10::NoGradGuard no_gradients;
  const DiffusionTransformer model = MakeSmallRoutedTransformer();
  std::vector<std::vector<KeysValues>> untouched, all;
  Rollout(model, {}, &untouched);
  Rollout(model, CacheRuleAt(UniformCacheRetention(CacheScore::kRouter, 100, {10}), 10, 2), &all);
  for (size_t layer = 0; layer < 2; ++layer) {
    EXPECT_FALSE(all[2][layer].seen.defined());
    EXPECT_TRUE(all[2][layer].k.equal(untouched[2][layer].k));
    EXPECT_TRUE(all[2][layer].v.equal(untouched[2][layer].v));
  }
}

}  // namespace
}  // namespace videodiffcr
