#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/tensor.h>

#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/device_timer.h"
#include "bench/kernel_bench.h"
#include "bench/report.h"
#include "model/gpu/attention_runner.h"
#include "model/kernels/attention_plan.h"
#include "model/kernels/ragged_attention.h"

namespace videodiffcr {
namespace {

using kernels::AttentionSegment;
using kernels::Element;

constexpr int kHeads = 12, kHeadDim = 128, kWidth = kHeads * kHeadDim;
constexpr int kWarmUp = 3, kRepeats = 15;
constexpr int kExtraRows = gpu::AttentionRunner::kExtraRows;  // what the server gives it

struct Shape {
  const char* what;
  int sessions, queries, keys;  // rows of each session
};
constexpr Shape kShapes[] = {
    {"dense, window 21", 1, 4680, 32760},    {"0.7, window 21", 1, 3276, 31356},
    {"fills three waves", 1, 4224, 32304},   {"0.6, window 21", 1, 2808, 30888},
    {"dense, window 12", 1, 4680, 18720},    {"0.7, window 12", 1, 3276, 17316},
    {"dense, two sessions", 2, 4680, 32760}, {"0.7, two sessions", 2, 3276, 31356},
};

struct Inputs {
  at::Tensor queries, keys, values;  // [sessions rows, kWidth]
  Inputs To(at::ScalarType type) const { return {queries.to(type), keys.to(type), values.to(type)}; }
};

Inputs Draw(const Shape& shape) {
  const auto randn = [](int64_t rows) {
    return at::randn({rows, kWidth}, at::TensorOptions().dtype(at::kBFloat16).device(at::kCUDA));
  };
  const int64_t keys = int64_t{shape.sessions} * shape.keys;
  return {randn(int64_t{shape.sessions} * shape.queries), randn(keys), randn(keys)};
}

// Median milliseconds on the device.
double Time(const std::function<void()>& work) {
  Samples samples;
  for (int i = 0; i < kWarmUp + kRepeats; ++i) {
    DeviceTimer timer;
    timer.Start();
    work();
    timer.Stop();
    const double milliseconds = timer.Milliseconds();
    if (i >= kWarmUp) samples.Add(milliseconds);
  }
  return samples.Median();
}

double TimeOurs(const Shape& shape, const Inputs& inputs, Element element, bool cut_tiles, int processors) {
  kernels::AttentionShape tiles = kernels::AttentionTiles(element, kHeadDim);
  tiles.heads = kHeads;
  tiles.processors = processors;
  std::vector<AttentionSegment> segments;
  for (int s = 0; s < shape.sessions; ++s) {
    segments.push_back({s * shape.queries, shape.queries, s * shape.keys, shape.keys});
  }
  const int query_rows = shape.sessions * shape.queries;
  const kernels::AttentionPlan plan = PlanAttention(segments, tiles, query_rows, cut_tiles ? kExtraRows : 0);
  const at::Tensor words = at::tensor(AttentionPlanWords(plan), at::kInt).to(at::kCUDA);
  const kernels::DeviceAttentionPlan device_plan = {
      words.const_data_ptr<int32_t>(), static_cast<int>(plan.items.size()),
      static_cast<int>(plan.first_item.size()) - 1, static_cast<int>(plan.cut_tiles.size()),
      static_cast<int>(plan.extra_part_rows.size())};
  const at::Tensor out = at::empty({query_rows + kExtraRows, kWidth}, inputs.queries.options().dtype(at::kBFloat16));
  const at::Tensor log_sums = at::empty({query_rows + kExtraRows, kHeads}, out.options().dtype(at::kFloat));
  kernels::AttentionCall call;
  call.element = element;
  call.heads = kHeads;
  call.head_dim = kHeadDim;
  call.queries = inputs.queries.const_data_ptr();
  call.keys = inputs.keys.const_data_ptr();
  call.values = inputs.values.const_data_ptr();
  call.out = out.mutable_data_ptr();
  call.log_sums = log_sums.mutable_data_ptr<float>();
  call.query_rows = query_rows;
  call.key_rows = inputs.keys.size(0);
  const kernels::Stream stream = c10::cuda::getCurrentCUDAStream().stream();
  return Time([&] {
    RunRaggedAttention(call, device_plan, stream);
    MergeAttentionParts(call, device_plan, tiles.query_tile, stream);
  });
}

double TimeTorch(const Shape& shape, const Inputs& inputs) {
  const auto by_head = [](const at::Tensor& rows, int64_t first, int64_t count) {
    return rows.narrow(0, first, count).view({1, count, kHeads, kHeadDim}).transpose(1, 2);
  };
  return Time([&] {
    for (int s = 0; s < shape.sessions; ++s) {
      at::scaled_dot_product_attention(by_head(inputs.queries, int64_t{s} * shape.queries, shape.queries),
                                       by_head(inputs.keys, int64_t{s} * shape.keys, shape.keys),
                                       by_head(inputs.values, int64_t{s} * shape.keys, shape.keys));
    }
  });
}

std::vector<std::string> Row(const Shape& shape, int processors) {
  const double tera = 4.0 * shape.sessions * shape.queries * shape.keys * kWidth / 1e12;
  const auto cell = [tera](double milliseconds) {
    return absl::StrFormat("%.0f (%.2f)", tera / milliseconds * 1e3, milliseconds);
  };
  const Inputs wide = Draw(shape), narrow = wide.To(at::kFloat8_e4m3fn);
  return {shape.what,
          absl::StrCat(shape.sessions, " x ", shape.queries, " x ", shape.keys),
          cell(TimeTorch(shape, wide)),
          cell(TimeOurs(shape, wide, Element::kBfloat16, false, processors)),
          cell(TimeOurs(shape, wide, Element::kBfloat16, true, processors)),
          cell(TimeOurs(shape, narrow, Element::kFloat8, false, processors)),
          cell(TimeOurs(shape, narrow, Element::kFloat8, true, processors))};
}

}  // namespace

absl::StatusOr<std::string> RunAttentionBench(const KernelBenchOptions& options) {
  if (!at::hasCUDA()) return absl::FailedPreconditionError("attention: needs a CUDA device");
  const at::NoGradGuard no_gradients;
  int processors = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0));
  Report report({"shape", "sessions x queries x keys", "LibTorch bf16", "ours bf16, whole tiles",
                 "ours bf16, cut tiles", "ours fp8, whole tiles", "ours fp8, cut tiles"});
  for (const Shape& shape : kShapes) report.AddRow(Row(shape, processors));
  C10_CUDA_CHECK(cudaGetLastError());
  const std::string machine = GpuName();
  const absl::Status written = WriteReport(options.json_file, report.Json({{"machine", machine}}));
  if (!written.ok()) return written;
  return absl::StrCat(machine, " (read just after); ", kHeads, " heads of ", kHeadDim, "; TFLOP/s (ms), median of ",
                      kRepeats, " calls\n\n", report.Table());
}

}  // namespace videodiffcr
