#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/device_timer.h"
#include "bench/kernel_bench.h"
#include "bench/report.h"
#include "model/gpu/current_device.h"
#include "model/gpu/linear.h"
#include "model/kernels/gelu_product.h"

namespace videodiffcr {
namespace {

constexpr int kWarmUp = 4, kRepeats = 20;
constexpr int kSets = 4;  // of weights and rows, taken in turn

struct Size {
  const char* what;
  int64_t in, out;
  bool gelu = false;  // of the result, to 8 bits in fp8
};
constexpr Size kSizes[] = {{"q, k, v", 1536, 4608},
                           {"out", 1536, 1536},
                           {"feed-forward in", 1536, 8960},
                           {"feed-forward in, GELU", 1536, 8960, /*gelu=*/true},
                           {"feed-forward out", 8960, 1536}};
constexpr int64_t kRows[] = {3276, 4680, 9360};  // a chunk at 0.7, a chunk, two chunks

struct Set {
  gpu::GpuLinear linear;
  at::Tensor rows, scale;
};

std::vector<Set> MakeSets(const Size& size, int64_t rows, bool float8) {
  const at::TensorOptions type = at::TensorOptions().dtype(at::kBFloat16).device(at::kCUDA);
  std::vector<Set> sets(kSets);
  for (Set& set : sets) {
    const LinearWeights weights = {at::randn({size.out, size.in}, type) / std::sqrt(static_cast<double>(size.in)),
                                   at::zeros({size.out}, type)};
    set.linear = float8 ? gpu::MakeFloat8Linear(weights) : gpu::MakeGpuLinear(weights, at::kBFloat16);
    set.rows = at::randn({rows, size.in}, type);
    if (!float8) continue;
    set.rows = set.rows.to(at::kFloat8_e4m3fn);
    set.scale = at::ones({rows, 1}, type.dtype(at::kFloat));
  }
  return sets;
}

void Multiply(const Size& size, const Set& set, const at::Tensor& out) {
  if (!size.gelu) return gpu::Apply(set.linear, set.rows, set.scale, out);
  if (!set.linear.is_float8()) return gpu::ApplyGelu(set.linear, set.rows, out);
  kernels::GeluProductCall call;
  call.rows = static_cast<int>(set.rows.size(0));
  call.in = static_cast<int>(size.in);
  call.out = static_cast<int>(size.out);
  call.x = set.rows.const_data_ptr();
  call.row_scale = call.shrink = set.scale.const_data_ptr<float>();
  call.weight = set.linear.weight.const_data_ptr();
  call.column_scale = set.linear.weight_scale.const_data_ptr<float>();
  call.bias = set.linear.bias.const_data_ptr();
  call.result = out.mutable_data_ptr();
  TORCH_CHECK(kernels::GeluProduct(call, gpu::CurrentStream()), "the product with GELU refused ", size.in, " to ",
              size.out);
}

// Median milliseconds of one product on the device.
double Time(const Size& size, int64_t rows, bool float8) {
  const std::vector<Set> sets = MakeSets(size, rows, float8);
  const at::ScalarType type = size.gelu && float8 ? at::kFloat8_e4m3fn : at::kBFloat16;
  const at::Tensor out = at::empty({rows, size.out}, at::TensorOptions().dtype(type).device(at::kCUDA));
  Samples samples;
  for (int i = 0; i < kWarmUp + kRepeats; ++i) {
    const Set& set = sets[i % kSets];
    DeviceTimer timer;
    timer.Start();
    Multiply(size, set, out);
    timer.Stop();
    const double milliseconds = timer.Milliseconds();
    if (i >= kWarmUp) samples.Add(milliseconds);
  }
  return samples.Median();
}

}  // namespace

absl::StatusOr<std::string> RunLinearsBench(const KernelBenchOptions& options) {
  if (!at::hasCUDA()) return absl::FailedPreconditionError("linears: needs a CUDA device");
  const at::NoGradGuard no_gradients;
  Report report({"product", "in x out", "rows", "bf16 us", "bf16 TFLOP/s", "fp8 us", "fp8 TFLOP/s"});
  for (const Size& size : kSizes) {
    for (const int64_t rows : kRows) {
      std::vector<std::string> row = {size.what, absl::StrCat(size.in, " x ", size.out), absl::StrCat(rows)};
      for (const bool float8 : {false, true}) {
        const double milliseconds = Time(size, rows, float8);
        const double giga = 2.0 * static_cast<double>(rows * size.in * size.out) / 1e9;
        row.push_back(absl::StrFormat("%.0f", milliseconds * 1e3));
        row.push_back(absl::StrFormat("%.0f", giga / milliseconds));
      }
      report.AddRow(std::move(row));
    }
  }
  const std::string machine = GpuName();
  const absl::Status written = WriteReport(options.json_file, report.Json({{"machine", machine}}));
  if (!written.ok()) return written;
  return absl::StrCat(machine, " (read just after); median of ", kRepeats, " calls\n\n", report.Table());
}

}  // namespace videodiffcr
