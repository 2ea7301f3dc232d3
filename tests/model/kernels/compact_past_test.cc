// A compact past on a GPU against the plain reference: the rows that stay, their places and their moves to the last
// bit, over chunks that leave more and fewer rows than those before.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "model/kernels/compact_past.h"
#include "tests/model/kernels/kernel_tensors.h"

namespace videodiffcr::kernels {
namespace {

constexpr int kLayers = 3;

at::Tensor Integers(const std::vector<int32_t>& values) {
  return at::tensor(std::vector<int64_t>(values.begin(), values.end()), at::kLong).to(at::kInt);
}

// What a session has, on one device.
struct Side {
  at::Tensor first_row, places, past_rows, chunk_row, moves, move_count, values, keys, behind_past;

  Side OnGpu() const {
    const auto copy = [](const at::Tensor& tensor) { return kernels::OnGpu(tensor).clone(); };
    return {copy(first_row),  copy(places), copy(past_rows), copy(chunk_row),  copy(moves),
            copy(move_count), copy(values), copy(keys),      copy(behind_past)};
  }
};

struct Shape {
  int tokens, ring_chunks;
  int64_t row_bytes;
};

// Every layer has rows for `ring_chunks` whole chunks, another chunk behind them, and one row that is nobody's.
Side MakeSide(const Shape& shape) {
  const int64_t past = int64_t{shape.tokens} * shape.ring_chunks, rows = past + shape.tokens + 1;
  Side side;
  side.first_row = at::tensor(std::vector<int64_t>{1, rows + 1, 2 * rows + 1}, at::kLong);
  side.places = at::zeros({kLayers * rows + 1}, at::kInt);
  side.past_rows = at::zeros({kLayers}, at::kInt);
  side.chunk_row = at::zeros({kLayers}, at::kInt);
  side.moves = at::zeros({kLayers, shape.tokens, 2}, at::kInt);
  side.move_count = at::zeros({kLayers}, at::kInt);
  side.values = at::randint(0, 256, {kLayers * rows + 1, shape.row_bytes}).to(at::kByte);
  side.keys = at::randint(0, 256, {kLayers * rows + 1, shape.row_bytes}).to(at::kByte);
  side.behind_past = Integers({static_cast<int32_t>(past), static_cast<int32_t>(past), static_cast<int32_t>(past)});
  return side;
}

PlaceKeysCall PlaceCall(const Shape& shape, const Side& side, int32_t first_place, const at::Tensor& scores,
                        const at::Tensor& kept) {
  PlaceKeysCall call;
  call.layers = kLayers;
  call.tokens = shape.tokens;
  call.first_place = first_place;
  call.scores = Floats(scores);
  call.kept = kept.const_data_ptr<int32_t>();
  call.first_row = side.first_row.const_data_ptr<int64_t>();
  call.places = side.places.mutable_data_ptr<int32_t>();
  call.past_rows = side.past_rows.mutable_data_ptr<int32_t>();
  call.chunk_row = side.chunk_row.mutable_data_ptr<int32_t>();
  call.moves = static_cast<RowMove*>(side.moves.mutable_data_ptr());
  call.move_count = side.move_count.mutable_data_ptr<int32_t>();
  return call;
}

// Values lie behind the past, keys behind the room for it.
MoveKeysCall MoveCall(const Shape& shape, const Side& side) {
  MoveKeysCall call;
  call.layers = kLayers;
  call.tokens = shape.tokens;
  call.first_row = side.first_row.const_data_ptr<int64_t>();
  call.moves = static_cast<const RowMove*>(side.moves.const_data_ptr());
  call.move_count = side.move_count.const_data_ptr<int32_t>();
  call.pools = 2;
  call.pool[0] = side.values.mutable_data_ptr();
  call.pool[1] = side.keys.mutable_data_ptr();
  call.chunk_row[0] = side.chunk_row.const_data_ptr<int32_t>();
  call.chunk_row[1] = side.behind_past.const_data_ptr<int32_t>();
  call.row_bytes = shape.row_bytes;
  return call;
}

void ExpectSame(const Side& want, const Side& got) {
  ASSERT_TRUE(got.past_rows.to(at::kCPU).equal(want.past_rows));
  ASSERT_TRUE(got.chunk_row.to(at::kCPU).equal(want.chunk_row));
  ASSERT_TRUE(got.move_count.to(at::kCPU).equal(want.move_count));
  const at::Tensor moves = got.moves.to(at::kCPU), places = got.places.to(at::kCPU);
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const int64_t count = want.move_count[layer].item<int>(), rows = want.past_rows[layer].item<int>();
    const int64_t first = want.first_row[layer].item<int64_t>();
    ASSERT_TRUE(moves[layer].narrow(0, 0, count).equal(want.moves[layer].narrow(0, 0, count))) << "layer " << layer;
    ASSERT_TRUE(places.narrow(0, first, rows).equal(want.places.narrow(0, first, rows))) << "layer " << layer;
  }
  ASSERT_TRUE(got.values.to(at::kCPU).equal(want.values));
  ASSERT_TRUE(got.keys.to(at::kCPU).equal(want.keys));
}

// Chunk after chunk into the ring, with as many rows as `kept` says by chunk and layer.
void CompareOverChunks(const Shape& shape, const std::vector<std::vector<int32_t>>& kept) {
  Side host = MakeSide(shape);
  const Side gpu = host.OnGpu();
  for (size_t chunk = 0; chunk < kept.size(); ++chunk) {
    SCOPED_TRACE(testing::Message() << "chunk " << chunk);
    at::Tensor scores = at::randn({kLayers, shape.tokens});
    if (chunk % 2 == 1) scores = at::randint(-2, 3, {kLayers, shape.tokens}).to(at::kFloat);  // many are equal
    scores[0][shape.tokens / 2] = std::nanf("");
    scores[1][0] = -0.0f;
    const at::Tensor counts = Integers(kept[chunk]), gpu_scores = OnGpu(scores), gpu_counts = OnGpu(counts);
    const auto first_place = static_cast<int32_t>(chunk % shape.ring_chunks * shape.tokens);
    PlainPlaceKeys(PlaceCall(shape, host, first_place, scores, counts));
    PlainMoveKeys(MoveCall(shape, host));
    PlaceKeys(PlaceCall(shape, gpu, first_place, gpu_scores, gpu_counts), TestStream());
    MoveKeys(MoveCall(shape, gpu), TestStream());
    ExpectSame(host, gpu);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(CompactPastTest, RowsStayAndMoveAsThePlainOnes) {
  // Rows of fp32, bfloat16 and 8-bit floats, odd numbers of tokens and of pieces of a row.
  for (const Shape& shape : {Shape{7, 2, 16}, Shape{51, 3, 144}, Shape{180, 1, 384}, Shape{1025, 2, 272}}) {
    const int all = shape.tokens;
    const auto share = [&](int percent) { return std::max(1, all * percent / 100); };
    SCOPED_TRACE(testing::Message() << all << " tokens, rows of " << shape.row_bytes << " bytes");
    CompareOverChunks(shape, {{share(50), all, 1},
                              {share(30), share(50), all},
                              {share(80), share(10), share(50)},
                              {1, share(90), share(50)},
                              {all, 1, share(40)},
                              {share(20), share(60), 1},
                              {share(50), share(50), share(50)},
                              {share(50), all, share(10)}});
    if (HasFatalFailure()) return;
  }
}

TEST(CompactPastTest, ChunksOfTheRealShapeArePackedWhereTheyLie) {
  CompareOverChunks({4680, 2, 1536}, {{2340, 4680, 936}, {2340, 2340, 4680}, {2340, 936, 2340}, {936, 2340, 2340}});
}

TEST(CompactPastTest, KeysTurnToTheirPlacesAsThePlainOnes) {
  const int heads = 3, head_dim = 12, width = heads * head_dim, frame_rows = 5, sink = 2, ring = 4, rows = 23;
  for (const Element element : {Element::kFloat32, Element::kBfloat16}) {
    const at::Tensor plain = at::randn({2 * rows, width}).to(TypeOf(element)), gpu_plain = OnGpu(plain);
    const at::Tensor angle = at::randn({(sink + ring) * frame_rows, head_dim / 2}), cos = angle.cos(),
                     sin = angle.sin();
    const at::Tensor places = at::randint(0, (sink + ring) * frame_rows, {2 * rows}).to(at::kInt);
    const at::Tensor first_row = at::tensor(std::vector<int64_t>{0, rows}, at::kLong), past_rows = Integers({rows, 9});
    const at::Tensor host_plain = OnHost(plain), want = at::zeros({2 * rows, width}),
                     got = OnGpu(at::zeros({2 * rows, width}).to(TypeOf(element)));
    const at::Tensor gpu[] = {OnGpu(first_row), OnGpu(places), OnGpu(past_rows), OnGpu(cos), OnGpu(sin)};
    TurnKeysCall call = {2, rows, heads, head_dim, element, frame_rows, sink, ring, /*oldest_slot=*/3};
    call.first_row = first_row.const_data_ptr<int64_t>();
    call.places = places.const_data_ptr<int32_t>();
    call.past_rows = past_rows.const_data_ptr<int32_t>();
    call.cos = Floats(cos);
    call.sin = Floats(sin);
    call.plain_keys = host_plain.const_data_ptr();
    call.keys = want.mutable_data_ptr();
    PlainTurnKeys(call);
    call.first_row = gpu[0].const_data_ptr<int64_t>();
    call.places = gpu[1].const_data_ptr<int32_t>();
    call.past_rows = gpu[2].const_data_ptr<int32_t>();
    call.cos = Floats(gpu[3]);
    call.sin = Floats(gpu[4]);
    call.plain_keys = gpu_plain.const_data_ptr();
    call.keys = got.mutable_data_ptr();
    TurnKeys(call, TestStream());
    EXPECT_LE(RelativeError(got, want), element == Element::kFloat32 ? 1e-6 : 5e-3);
    EXPECT_EQ(OnHost(got).narrow(0, rows + 9, rows - 9).abs().max().item<float>(), 0.0f) << "rows that nobody has";
  }
}

TEST(CompactPastTest, KeysAreAsLongAsThePlainOnes) {
  const int tokens = 37, width = 100, rows = 50;
  for (const Element element : {Element::kFloat32, Element::kBfloat16, Element::kFloat8}) {
    const at::Tensor keys = at::randn({2 * rows, width}).to(TypeOf(element)), gpu_keys = OnGpu(keys);
    const at::Tensor host_keys = OnHost(keys), first_row = at::tensor(std::vector<int64_t>{0, rows}, at::kLong),
                     chunk_row = Integers({13, 0});
    const at::Tensor gpu_first = OnGpu(first_row), gpu_chunk = OnGpu(chunk_row), want = at::empty({2, tokens}),
                     got = Empty({2, tokens}, at::kFloat);
    PlainKeyNorms({2, tokens, width, element, first_row.const_data_ptr<int64_t>(), chunk_row.const_data_ptr<int32_t>(),
                   host_keys.const_data_ptr(), MutableFloats(want)});
    KeyNorms({2, tokens, width, element, gpu_first.const_data_ptr<int64_t>(), gpu_chunk.const_data_ptr<int32_t>(),
              gpu_keys.const_data_ptr(), MutableFloats(got)},
             TestStream());
    EXPECT_LE(RelativeError(got, want), 1e-5);
  }
}

}  // namespace
}  // namespace videodiffcr::kernels
