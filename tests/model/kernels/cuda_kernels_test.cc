// Every kernel against its plain reference, over odd sizes and every element type. Needs a GPU.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "model/config/noise.h"
#include "model/kernels/chunk_latents.h"
#include "model/kernels/gelu_quantize.h"
#include "model/kernels/key_window.h"
#include "model/kernels/norm_rotary.h"
#include "model/kernels/ragged_attention.h"
#include "model/kernels/residual_norm.h"
#include "model/kernels/token_routing.h"

namespace videodiffcr::kernels {
namespace {

constexpr float kEps = 1e-6f;

Stream TestStream() { return c10::cuda::getCurrentCUDAStream().stream(); }
at::Tensor OnGpu(const at::Tensor& tensor) { return tensor.to(at::kCUDA); }
at::Tensor OnHost(const at::Tensor& tensor) { return tensor.to(at::kCPU).to(at::kFloat).contiguous(); }
at::Tensor Empty(std::vector<int64_t> shape, at::ScalarType type) {
  return at::empty(shape, at::TensorOptions(at::kCUDA).dtype(type));
}
const float* Floats(const at::Tensor& tensor) { return tensor.const_data_ptr<float>(); }
float* MutableFloats(const at::Tensor& tensor) { return tensor.mutable_data_ptr<float>(); }

at::ScalarType TypeOf(Element element) {
  return element == Element::kFloat32 ? at::kFloat : element == Element::kBfloat16 ? at::kBFloat16 : at::kFloat8_e4m3fn;
}
// Half a unit in the last place of the type, relative, with room for the arithmetic before it.
double Tolerance(Element element) {
  return element == Element::kFloat32 ? 2e-5 : element == Element::kBfloat16 ? 5e-3 : 7e-2;
}

// Largest difference over largest magnitude.
double RelativeError(const at::Tensor& got, const at::Tensor& want) {
  return (OnHost(got) - want).abs().max().item<double>() / std::max(want.abs().max().item<double>(), 1e-6);
}

RowSet OneSession(int rows, const int32_t* kept = nullptr) {
  RowSet set;
  set.segments = 1;
  set.first_row[1] = rows;
  set.kept[0] = kept;
  return set;
}

TEST(CudaKernelsTest, ResidualNormAddsAndNormalisesAsThePlainOne) {
  for (const int width : {4, 36, 192, 1536, 5120}) {
    for (const Element out : {Element::kFloat32, Element::kBfloat16, Element::kFloat8}) {
      for (const Element product : {Element::kFloat32, Element::kBfloat16}) {
        SCOPED_TRACE(testing::Message() << width << " out " << static_cast<int>(out) << " in "
                                        << static_cast<int>(product));
        const int rows = 7;
        at::Tensor x = at::randn({rows, width}) * 3 + 1,
                   added = at::randn({rows, width}).to(TypeOf(product)).to(at::kFloat);
        const at::Tensor gate = at::randn({width}), factor = at::randn({rows}), scale = at::randn({width}),
                         shift = at::randn({width});
        const at::Tensor gpu_x = OnGpu(x), gpu_added = OnGpu(added.to(TypeOf(product))), gpu_gate = OnGpu(gate),
                         gpu_factor = OnGpu(factor), gpu_scale = OnGpu(scale), gpu_shift = OnGpu(shift);
        const at::Tensor result = Empty({rows, width}, TypeOf(out)), row_scale = Empty({rows, 1}, at::kFloat);
        ResidualNormCall call;
        call.rows = OneSession(rows);
        call.width = width;
        call.eps = kEps;
        call.stream = MutableFloats(gpu_x);
        call.product_element = product;
        call.product = gpu_added.const_data_ptr();
        call.gate[0] = Floats(gpu_gate);
        call.factor[0] = Floats(gpu_factor);
        call.scale[0] = Floats(gpu_scale);
        call.shift[0] = Floats(gpu_shift);
        call.out_element = out;
        call.out = result.mutable_data_ptr();
        call.out_scale = MutableFloats(row_scale);
        ResidualNorm(call, TestStream());
        const at::Tensor want = at::empty({rows, width});
        PlainResidualNorm(rows, width, kEps, Floats(added), Floats(gate), Floats(factor), Floats(scale), Floats(shift),
                          MutableFloats(x), MutableFloats(want));
        at::Tensor got = OnHost(result);
        if (out == Element::kFloat8) got = got * OnHost(row_scale);
        EXPECT_LE(RelativeError(got, want), Tolerance(out));
        EXPECT_LE(RelativeError(gpu_x, x), 1e-6);
      }
    }
  }
}

TEST(CudaKernelsTest, ResidualNormReachesEachSessionsKeptTokensAndNoOthers) {
  const int width = 64, tokens = 10;
  const at::Tensor stream = at::randn({2 * tokens, width}), product = at::ones({3 + tokens, width});
  const at::Tensor gpu_stream = OnGpu(stream), gpu_product = OnGpu(product);
  const at::Tensor kept = OnGpu(at::tensor({1, 4, 9}, at::kInt));
  ResidualNormCall call;
  call.rows.segments = 2;  // three kept tokens of session 0, then all tokens of session 1
  call.rows.first_row[1] = 3;
  call.rows.first_row[2] = 3 + tokens;
  call.rows.base_row[1] = tokens;
  call.rows.kept[0] = kept.const_data_ptr<int32_t>();
  call.width = width;
  call.eps = kEps;
  call.stream = MutableFloats(gpu_stream);
  call.product_element = Element::kFloat32;
  call.product = gpu_product.const_data_ptr();
  call.product_first[1] = 3;
  ResidualNorm(call, TestStream());
  const at::Tensor moved = (OnHost(gpu_stream) - stream).mean(1);
  for (int row = 0; row < 2 * tokens; ++row) {
    const bool touched = row == 1 || row == 4 || row == 9 || row >= tokens;
    EXPECT_NEAR(moved[row].item<float>(), touched ? 1.0f : 0.0f, 1e-5) << "row " << row;
  }
}

TEST(CudaKernelsTest, ResidualNormOfAllTokensAddsTheProductOfTheKeptOnes) {
  const int width = 64, tokens = 5;
  at::Tensor stream = at::randn({2 * tokens, width});
  // Session 0 kept tokens 1 and 4, session 1 has a product for every token, behind those two.
  const at::Tensor product = at::randn({2 + tokens, width}), factor = at::tensor({2.0f, 0.5f});
  const at::Tensor place = OnGpu(at::tensor({-1, 0, -1, -1, 1}, at::kInt));
  const at::Tensor gpu_stream = OnGpu(stream), gpu_product = OnGpu(product), gpu_factor = OnGpu(factor);
  const at::Tensor result = Empty({2 * tokens, width}, at::kFloat);
  ResidualNormCall call;
  call.rows = EvenRows(2, tokens, tokens);
  call.width = width;
  call.eps = kEps;
  call.stream = MutableFloats(gpu_stream);
  call.product_element = Element::kFloat32;
  call.product = gpu_product.const_data_ptr();
  call.product_first[1] = 2;
  call.product_row[0] = place.const_data_ptr<int32_t>();
  call.factor[0] = Floats(gpu_factor);
  call.out_element = Element::kFloat32;
  call.out = result.mutable_data_ptr();
  ResidualNorm(call, TestStream());
  at::Tensor added = at::zeros({2 * tokens, width});
  added[1].copy_(product[0] * 2);
  added[4].copy_(product[1] * 0.5);
  added.narrow(0, tokens, tokens).copy_(product.narrow(0, 2, tokens));
  const at::Tensor want = at::empty({2 * tokens, width});
  PlainResidualNorm(2 * tokens, width, kEps, Floats(added), nullptr, nullptr, nullptr, nullptr, MutableFloats(stream),
                    MutableFloats(want));
  EXPECT_LE(RelativeError(gpu_stream, stream), 1e-6);
  EXPECT_LE(RelativeError(result, want), Tolerance(Element::kFloat32));
}

TEST(CudaKernelsTest, NormRotaryMakesQueriesKeysAndValuesAsThePlainOne) {
  struct Size {
    int heads, head_dim;
  };
  for (const Size size : {Size{2, 16}, Size{3, 12}, Size{3, 64}, Size{12, 128}}) {
    for (const Element out : {Element::kFloat32, Element::kBfloat16, Element::kFloat8}) {
      SCOPED_TRACE(testing::Message() << size.heads << " x " << size.head_dim << " out " << static_cast<int>(out));
      const Element in = out == Element::kFloat32 ? Element::kFloat32 : Element::kBfloat16;
      const int width = size.heads * size.head_dim, rows = 5, tokens = 9, pairs = size.head_dim / 2;
      const at::Tensor product = at::randn({rows, 3 * width}).to(TypeOf(in)).to(at::kFloat);
      const at::Tensor query_weight = at::randn({width}), key_weight = at::randn({width});
      const at::Tensor angle = at::randn({tokens, pairs}), cos = angle.cos(), sin = angle.sin();
      const at::Tensor kept = at::tensor({0, 2, 3, 7, 8}, at::kInt);
      const at::Tensor gpu_product = OnGpu(product.to(TypeOf(in))), gpu_cos = OnGpu(cos), gpu_sin = OnGpu(sin),
                       gpu_kept = OnGpu(kept), gpu_qw = OnGpu(query_weight), gpu_kw = OnGpu(key_weight);
      const at::Tensor queries = Empty({rows, width}, TypeOf(out)), keys = Empty({rows + 3, width}, TypeOf(out)),
                       values = Empty({rows + 3, width}, TypeOf(out)), plain = Empty({rows + 1, width}, TypeOf(out));
      NormRotaryCall call;
      call.rows = OneSession(rows, gpu_kept.const_data_ptr<int32_t>());
      call.width = width;
      call.head_dim = size.head_dim;
      call.eps = kEps;
      call.in_element = in;
      call.out_element = out;
      call.in_stride = 3 * width;
      call.query_in = gpu_product.const_data_ptr();
      call.key_in = gpu_product.narrow(1, width, width).const_data_ptr();
      call.value_in = gpu_product.narrow(1, 2 * width, width).const_data_ptr();
      call.query_weight = Floats(gpu_qw);
      call.key_weight = Floats(gpu_kw);
      call.cos[0] = Floats(gpu_cos);
      call.sin[0] = Floats(gpu_sin);
      call.query_out = queries.mutable_data_ptr();
      call.keys = keys.mutable_data_ptr();
      call.values = values.mutable_data_ptr();
      call.key_row[0] = 3;
      call.plain_keys = plain.mutable_data_ptr();
      call.plain_key_row[0] = 1;
      NormRotary(call, TestStream());
      const at::Tensor row_cos = cos.index_select(0, kept).contiguous(),
                       row_sin = sin.index_select(0, kept).contiguous();
      const auto reference = [&](int part, const at::Tensor& weight, bool turn) {
        const at::Tensor input = product.narrow(1, part * width, width).contiguous(), want = at::empty({rows, width});
        PlainNormRotary(rows, width, size.head_dim, kEps, weight.defined() ? Floats(weight) : nullptr,
                        turn ? Floats(row_cos) : nullptr, turn ? Floats(row_sin) : nullptr, Floats(input),
                        MutableFloats(want));
        return want;
      };
      EXPECT_LE(RelativeError(queries, reference(0, query_weight, true)), Tolerance(out));
      EXPECT_LE(RelativeError(keys.narrow(0, 3, rows), reference(1, key_weight, true)), Tolerance(out));
      EXPECT_LE(RelativeError(plain.narrow(0, 1, rows), reference(1, key_weight, false)), Tolerance(out));
      EXPECT_LE(RelativeError(values.narrow(0, 3, rows), reference(2, {}, false)), Tolerance(out));
    }
  }
}

TEST(CudaKernelsTest, RouterScoresEqualThePlainOnes) {
  for (const int width : {1, 8, 33, 64}) {
    const int frames = 3, tokens = 3 * 17;
    const at::Tensor channels = at::randn({tokens, width}), bias = at::randn({width}),
                     mix = at::randn({frames, frames, width}), score = at::randn({width}), want = at::empty({tokens});
    const at::Tensor gpu[] = {OnGpu(channels), OnGpu(bias), OnGpu(mix), OnGpu(score)};
    const at::Tensor got = Empty({tokens}, at::kFloat);
    RouterScores(
        {tokens, frames, width, Floats(gpu[0]), Floats(gpu[1]), Floats(gpu[2]), Floats(gpu[3]), MutableFloats(got)},
        TestStream());
    PlainRouterScores(
        {tokens, frames, width, Floats(channels), Floats(bias), Floats(mix), Floats(score), MutableFloats(want)});
    EXPECT_LE(RelativeError(got, want), 1e-5) << "width " << width;
  }
}

TEST(CudaKernelsTest, SelectTokensPicksExactlyThePlainOnes) {
  struct Choice {
    int tokens, kept, floor;
  };
  for (const Choice c : {Choice{6, 1, 0}, Choice{51, 51, 0}, Choice{180, 126, 0}, Choice{180, 90, 20},
                         Choice{4680, 3276, 0}, Choice{4680, 1404, 468}, Choice{16383, 5000, 100}}) {
    for (const bool ties : {false, true}) {
      SCOPED_TRACE(testing::Message() << c.kept << " of " << c.tokens << ", floor " << c.floor << ", ties " << ties);
      const int frames = 3;
      at::Tensor scores = ties ? at::randint(-2, 3, {c.tokens}).to(at::kFloat) : at::randn({c.tokens});
      scores[c.tokens / 2] = std::nanf("");
      scores[0] = -0.0f;
      const at::Tensor gpu_scores = OnGpu(scores), kept = Empty({c.kept}, at::kInt),
                       factor = Empty({c.kept}, at::kFloat), place = Empty({c.tokens}, at::kInt);
      SelectTokens({c.tokens, frames, c.kept, c.floor, Gate::kTwoSigmoid, Floats(gpu_scores),
                    kept.mutable_data_ptr<int32_t>(), MutableFloats(factor), place.mutable_data_ptr<int32_t>()},
                   TestStream());
      const std::vector<int32_t> want = PlainSelectTokens(Floats(scores), c.tokens, frames, c.kept, c.floor);
      const at::Tensor got = kept.to(at::kCPU);
      EXPECT_TRUE(std::equal(want.begin(), want.end(), got.const_data_ptr<int32_t>()));
      std::vector<int32_t> places(c.tokens, -1);
      for (int i = 0; i < c.kept; ++i) places[want[i]] = i;
      EXPECT_TRUE(std::equal(places.begin(), places.end(), place.to(at::kCPU).const_data_ptr<int32_t>()));
      const float first = 2.0f / (1.0f + std::exp(-scores[want[0]].item<float>()));
      EXPECT_NEAR(factor.to(at::kCPU)[0].item<float>(), first, 1e-5);
    }
  }
}

constexpr LatentShape kLatents = {3, 4, 6, 10, 2, 2};

TEST(CudaKernelsTest, NoiseHasTheBitsOfTheHost) {
  const at::Tensor got = Empty({kLatents.values()}, at::kFloat), want = at::empty({kLatents.values()});
  FillNoise(kLatents, {0x123456789ABCDEF0, 77, 3}, MutableFloats(got), TestStream());
  FillNormal({0x123456789ABCDEF0, 77, 3}, absl::MakeSpan(MutableFloats(want), want.numel()));
  EXPECT_TRUE(got.to(at::kCPU).equal(want));
}

TEST(CudaKernelsTest, PatchesAndSamplerStepsEqualThePlainOnes) {
  const at::Tensor latents = at::randn({kLatents.values()}), flow = at::randn({kLatents.values()});
  const at::Tensor patches = Empty({kLatents.values()}, at::kFloat), want_patches = at::empty({kLatents.values()});
  const at::Tensor gpu_latents = OnGpu(latents), gpu_flow = OnGpu(flow);
  Patchify(kLatents, Floats(gpu_latents), MutableFloats(patches), TestStream());
  PlainPatchify(kLatents, Floats(latents), MutableFloats(want_patches));
  EXPECT_TRUE(patches.to(at::kCPU).equal(want_patches));
  const at::Tensor noise = at::empty({kLatents.values()});
  FillNormal({5, 6, 7}, absl::MakeSpan(MutableFloats(noise), noise.numel()));
  for (const bool last : {false, true}) {
    const at::Tensor got = gpu_latents.clone(), want = latents.clone();
    TakeSamplerStep(kLatents, {0.83, 0.4f, last, {5, 6, 7}, nullptr}, Floats(gpu_flow), MutableFloats(got),
                    TestStream());
    PlainSamplerStep(kLatents, {0.83, 0.4f, last, {}, Floats(noise)}, Floats(flow), MutableFloats(want));
    EXPECT_LE(RelativeError(got, want), 1e-6) << "last " << last;
  }
}

TEST(CudaKernelsTest, RotaryTablesEqualThePlainOnes) {
  for (const int head_dim : {12, 16, 64, 128}) {
    const RotaryShape shape = {head_dim, 3, 5};
    const int64_t values = 2 * 15 * head_dim / 2;
    const at::Tensor cos = Empty({values}, at::kFloat), sin = Empty({values}, at::kFloat);
    const at::Tensor want_cos = at::empty({values}), want_sin = at::empty({values});
    FillRotaryTable(shape, 1000, 2, MutableFloats(cos), MutableFloats(sin), TestStream());
    PlainRotaryTable(shape, 1000, 2, MutableFloats(want_cos), MutableFloats(want_sin));
    EXPECT_LE((cos.to(at::kCPU) - want_cos).abs().max().item<double>(), 1e-6);
    EXPECT_LE((sin.to(at::kCPU) - want_sin).abs().max().item<double>(), 1e-6);
  }
}

TEST(CudaKernelsTest, FramesMoveAndTurnInEveryLayer) {
  const int layers = 2, heads = 2, head_dim = 8, width = heads * head_dim, rows = 20, frame_rows = 4;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor pool = at::randn({layers, rows, width}).to(type), gpu = OnGpu(pool);
    FrameTurns turns;
    turns.moves = {2, {8, 16}, {0, 4}, frame_rows};
    turns.position[0] = 2;
    turns.position[1] = 1;
    const at::Tensor moved = gpu.clone();
    MoveFrames(turns.moves, moved.const_data_ptr(), rows, moved.mutable_data_ptr(), rows, layers,
               width * static_cast<int64_t>(pool.element_size()), TestStream());
    EXPECT_TRUE(moved.narrow(1, 0, 4).equal(gpu.narrow(1, 8, 4)));
    EXPECT_TRUE(moved.narrow(1, 4, 4).equal(gpu.narrow(1, 16, 4)));
    EXPECT_TRUE(moved.narrow(1, 8, 12).equal(gpu.narrow(1, 8, 12)));

    const at::Tensor angle = at::randn({3 * frame_rows, head_dim / 2}), cos = angle.cos(), sin = angle.sin();
    const at::Tensor gpu_cos = OnGpu(cos), gpu_sin = OnGpu(sin), turned = gpu.clone();
    TurnFrames(turns, type == at::kFloat ? Element::kFloat32 : Element::kBfloat16, heads, head_dim, Floats(gpu_cos),
               Floats(gpu_sin), gpu.const_data_ptr(), rows, turned.mutable_data_ptr(), rows, layers, TestStream());
    const at::Tensor input = OnHost(pool[1].narrow(0, 16, 4)), want = at::empty({frame_rows, width});
    PlainNormRotary(frame_rows, width, head_dim, kEps, nullptr, Floats(cos) + 4 * head_dim / 2,
                    Floats(sin) + 4 * head_dim / 2, Floats(input), MutableFloats(want));
    EXPECT_LE(RelativeError(turned[1].narrow(0, 4, 4), want), type == at::kFloat ? 1e-6 : 5e-3);
  }
}

TEST(CudaKernelsTest, GeluQuantizeKeepsEachRowsScale) {
  for (const int width : {8, 768, 8960}) {
    const at::Tensor x = (at::randn({5, width}) * 2).to(at::kBFloat16), gpu = OnGpu(x);
    const at::Tensor out = Empty({5, width}, at::kFloat8_e4m3fn), scale = Empty({5, 1}, at::kFloat);
    GeluQuantize(5, width, gpu.const_data_ptr(), out.mutable_data_ptr(), MutableFloats(scale), TestStream());
    const at::Tensor want = x.to(at::kFloat);
    for (int64_t i = 0; i < want.numel(); ++i) MutableFloats(want)[i] = PlainGelu(Floats(want)[i]);
    EXPECT_LE(RelativeError(OnHost(out) * OnHost(scale), want), Tolerance(Element::kFloat8));
  }
}

// Attention of `segments` with the plan for this many processors, against the plain one, session by session.
void CheckAttention(Element element, int heads, int head_dim, const std::vector<AttentionSegment>& segments,
                    int processors, float last_key_bias) {
  AttentionShape shape = AttentionTiles(element, head_dim);
  shape.heads = heads;
  shape.processors = processors;
  int query_rows = 0, key_rows = 0;
  for (const AttentionSegment& s : segments) {
    query_rows = std::max(query_rows, s.query_row + s.query_rows);
    key_rows = std::max(key_rows, s.key_row + s.key_rows);
  }
  const int width = heads * head_dim, extra = 4096;
  const auto random = [&](int rows) { return at::randn({rows, width}).to(TypeOf(element)); };
  const at::Tensor queries = random(query_rows), keys = random(key_rows), values = random(key_rows);
  const at::Tensor gpu[] = {OnGpu(queries), OnGpu(keys), OnGpu(values)};
  const at::Tensor out = Empty({query_rows + extra, width}, at::kBFloat16),
                   sums = Empty({query_rows + extra, heads}, at::kFloat);
  const AttentionPlan plan = PlanAttention(segments, shape, query_rows, extra);
  const std::vector<int32_t> words = AttentionPlanWords(plan);
  const at::Tensor device_words = OnGpu(at::tensor(words, at::kInt));
  const at::Tensor bias = OnGpu(at::full({1}, last_key_bias));
  const DeviceAttentionPlan device_plan = {device_words.const_data_ptr<int32_t>(), static_cast<int>(plan.items.size()),
                                           processors, static_cast<int>(plan.cut_tiles.size()),
                                           static_cast<int>(plan.extra_part_rows.size())};
  AttentionCall call;
  call.element = element;
  call.heads = heads;
  call.head_dim = head_dim;
  call.queries = gpu[0].const_data_ptr();
  call.keys = gpu[1].const_data_ptr();
  call.values = gpu[2].const_data_ptr();
  call.out = out.mutable_data_ptr();
  call.log_sums = MutableFloats(sums);
  call.query_rows = query_rows;
  call.key_rows = key_rows;
  if (last_key_bias != 0) {
    call.last_key_bias = Floats(bias);
    call.keys_per_bias = 1 << 20;
  }
  ASSERT_TRUE(RunRaggedAttention(call, device_plan, TestStream()));
  MergeAttentionParts(call, device_plan, shape.query_tile, TestStream());
  const at::Tensor host[] = {OnHost(queries), OnHost(keys), OnHost(values)};
  for (const AttentionSegment& s : segments) {
    const at::Tensor want = at::empty({s.query_rows, width});
    PlainAttention(Floats(host[0]) + int64_t{s.query_row} * width, Floats(host[1]) + int64_t{s.key_row} * width,
                   Floats(host[2]) + int64_t{s.key_row} * width, s.query_rows, s.key_rows, heads, head_dim,
                   last_key_bias, MutableFloats(want));
    EXPECT_LE(RelativeError(out.narrow(0, s.query_row, s.query_rows), want), element == Element::kFloat8 ? 8e-2 : 2e-2)
        << s.query_rows << " x " << s.key_rows << ", " << plan.cut_tiles.size() << " tiles cut";
  }
}

TEST(CudaKernelsTest, AttentionEqualsThePlainOneForEveryTypeAndOddLengths) {
  for (const int head_dim : {64, 128}) {
    CheckAttention(Element::kBfloat16, 2, head_dim, {{0, 1, 0, 1}}, 132, 0);
    CheckAttention(Element::kBfloat16, 3, head_dim, {{0, 130, 0, 389}, {130, 77, 400, 64}, {207, 300, 500, 1000}}, 132,
                   0);
    CheckAttention(Element::kBfloat16, 2, head_dim, {{0, 200, 0, 77}}, 132, 3.5f);  // text, with merged padding
  }
  CheckAttention(Element::kFloat8, 2, 128, {{0, 130, 0, 389}, {130, 77, 400, 64}}, 132, 0);
}

TEST(CudaKernelsTest, AttentionWithCutTilesEqualsThePlainOne) {
  for (const Element element : {Element::kBfloat16, Element::kFloat8}) {
    CheckAttention(element, 2, 128, {{0, 200, 0, 9001}}, 132, 0);  // four tiles on 132 processors
    CheckAttention(element, 3, 128, {{0, 300, 0, 4003}}, 7, 0);    // nine tiles on seven
  }
}

}  // namespace
}  // namespace videodiffcr::kernels
