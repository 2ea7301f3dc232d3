#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/chunk_run.h"
#include "bench/commands.h"
#include "bench/kernel_table.h"
#include "bench/kernel_trace.h"
#include "bench/report.h"
#include "model/load/create_video_model.h"
#include "system/wrong_usage.h"

namespace videodiffcr {
namespace {

// Kernels with a smaller share of the span go into one row.
constexpr double kLeastShare = 0.001;

void AddRow(Report& report, const std::string& name, int64_t calls, uint64_t total_ns, uint64_t span_ns, int chunks) {
  const double ms = static_cast<double>(total_ns) / 1e6, all = static_cast<double>(span_ns) / 1e6;
  report.AddRow({name, absl::StrFormat("%.1f", static_cast<double>(calls) / chunks),
                 calls == 0 ? "-" : absl::StrFormat("%.1f", 1000 * ms / static_cast<double>(calls)),
                 absl::StrFormat("%.2f", ms / chunks), absl::StrFormat("%.1f %%", 100 * ms / all)});
}

Report MakeReport(const KernelTimes& times, int chunks) {
  Report report({"kernel", "calls per chunk", "us each", "ms per chunk", "share"});
  KernelSum others;
  for (const KernelSum& kernel : times.kernels) {
    if (static_cast<double>(kernel.total_ns) >= kLeastShare * static_cast<double>(times.span_ns)) {
      AddRow(report, kernel.name, kernel.calls, kernel.total_ns, times.span_ns, chunks);
    } else {
      others.calls += kernel.calls;
      others.total_ns += kernel.total_ns;
    }
  }
  AddRow(report, "all others", others.calls, others.total_ns, times.span_ns, chunks);
  AddRow(report, "nothing running", 0, times.idle_ns, times.span_ns, chunks);
  AddRow(report, "chunk, traced", 0, times.span_ns, times.span_ns, chunks);
  return report;
}

}  // namespace

absl::StatusOr<std::string> RunKernelsBench(const KernelsBenchOptions& options) {
  if (options.chunks < 1) return WrongUsageError(absl::StrCat("chunks: ", options.chunks, "; at least 1"));
  absl::StatusOr<std::unique_ptr<VideoModel>> model =
      CreateVideoModel({options.model_folder, "cuda", /*threads=*/0, options.precision, /*gpu_sessions=*/1});
  if (!model.ok()) return model.status();
  const absl::StatusOr<RetentionBudget> budget = FindBudget((*model)->info(), options.budget);
  if (!budget.ok()) return budget.status();
  absl::StatusOr<std::unique_ptr<FullWindowSession>> session = FullWindowSession::Begin(**model, budget->tenths);
  if (!session.ok()) return session.status();
  absl::StatusOr<std::vector<KernelSpan>> spans = TraceKernels([&] { return (*session)->Generate(options.chunks); });
  if (!spans.ok()) return spans.status();
  const Report report = MakeReport(SumKernels(*std::move(spans)), options.chunks);
  const std::string nominal = absl::StrFormat("%.1f", budget->tenths / 10.0),
                    executed = absl::StrFormat("%.4f", budget->executed);
  const absl::Status written = WriteReport(options.json_file, report.Json({{"machine", GpuName()},
                                                                           {"model", (*model)->info().name},
                                                                           {"precision", options.precision},
                                                                           {"budget", nominal},
                                                                           {"executed", executed},
                                                                           {"chunks", absl::StrCat(options.chunks)}}));
  if (!written.ok()) return written;
  return absl::StrCat(
      GpuName(), " (read just after); ", (*model)->info().description, "; ", options.precision, ", budget ", nominal,
      " (executed ", executed, "); ", options.chunks,
      " chunks of one session with a full window, decoding beside; shares overlap where two streams run\n\n",
      report.Table());
}

}  // namespace videodiffcr
