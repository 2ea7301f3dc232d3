// Collected samples and the table and JSON they are shown as.
#ifndef VIDEODIFFCR_BENCH_REPORT_H_
#define VIDEODIFFCR_BENCH_REPORT_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace videodiffcr {

// Samples of one quantity. Quantiles are by nearest rank; 0 without samples.
class Samples {
 public:
  void Add(double value) { values_.push_back(value); }
  void Add(absl::Duration value) { Add(absl::ToDoubleMilliseconds(value)); }
  size_t size() const { return values_.size(); }
  double Quantile(double q) const;
  double Median() const { return Quantile(0.5); }
  double Mean() const;

 private:
  std::vector<double> values_;
};

// Rows of named cells, printed as aligned columns (GitHub's table form) or as a JSON array of objects.
class Report {
 public:
  explicit Report(std::vector<std::string> columns) : columns_(std::move(columns)) {}
  // One cell per column.
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string Table() const;
  // `context`: what all rows share (machine, model, command).
  std::string Json(const std::map<std::string, std::string>& context) const;

 private:
  const std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Writes `text` to `file` unless that is empty.
absl::Status WriteReport(const std::string& file, const std::string& text);

// Processor and its number of threads, as the system names them.
std::string MachineName();

// Name, driver and present clocks of the GPUs, as nvidia-smi says them. Empty when it does not answer.
std::string GpuName();

// Memory in use on the GPUs by all programs, as nvidia-smi says it ("1234 MiB"). "-" when it does not answer.
std::string GpuMemoryUsed();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_BENCH_REPORT_H_
