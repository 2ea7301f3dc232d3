#include "server/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>

#include "prometheus/client_metric.h"
#include "prometheus/metric_type.h"

namespace videodiffcr {
namespace {

prometheus::MetricFamily Family(std::string name, std::string help, prometheus::MetricType type, double value) {
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return {std::move(name), std::move(help), type, {std::move(metric)}};
}

// Fields of /proc/self/stat that we report (proc(5), numbers as there).
struct ProcStat {
  double user_ticks = 0;      // 14
  double system_ticks = 0;    // 15
  double threads = 0;         // 20
  double start_ticks = 0;     // 22, since boot
  double virtual_bytes = 0;   // 23
  double resident_pages = 0;  // 24
};

std::optional<ProcStat> ReadProcStat() {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // The second field is the program's name in parentheses and may hold anything; the third begins behind the last ')'.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string word;
  ProcStat stat;
  for (int number = 3; number <= 24 && fields >> word; ++number) {
    double* const wanted = number == 14   ? &stat.user_ticks
                           : number == 15 ? &stat.system_ticks
                           : number == 20 ? &stat.threads
                           : number == 22 ? &stat.start_ticks
                           : number == 23 ? &stat.virtual_bytes
                           : number == 24 ? &stat.resident_pages
                                          : nullptr;
    if (wanted != nullptr) *wanted = std::stod(word);
  }
  return stat;
}

std::optional<double> ReadBootTime() {
  std::ifstream file("/proc/stat");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("btime ", 0) == 0) return std::stod(line.substr(6));
  }
  return std::nullopt;
}

std::optional<double> CountOpenFiles() {
  std::error_code error;
  std::filesystem::directory_iterator entries("/proc/self/fd", error);
  if (error) return std::nullopt;
  return static_cast<double>(std::distance(begin(entries), end(entries)));
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  using prometheus::MetricType;
  std::vector<prometheus::MetricFamily> families;
  const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  if (const std::optional<ProcStat> stat = ReadProcStat(); stat.has_value()) {
    families.push_back(Family("process_cpu_seconds_total", "Processor time spent, user and system.",
                              MetricType::Counter, (stat->user_ticks + stat->system_ticks) / ticks_per_second));
    families.push_back(Family("process_resident_memory_bytes", "Memory held in RAM.", MetricType::Gauge,
                              stat->resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE))));
    families.push_back(
        Family("process_virtual_memory_bytes", "Address space in use.", MetricType::Gauge, stat->virtual_bytes));
    families.push_back(Family("process_threads", "Threads running.", MetricType::Gauge, stat->threads));
    if (const std::optional<double> boot = ReadBootTime(); boot.has_value()) {
      families.push_back(Family("process_start_time_seconds", "When the process began, in seconds since 1970.",
                                MetricType::Gauge, *boot + stat->start_ticks / ticks_per_second));
    }
  }
  if (const std::optional<double> files = CountOpenFiles(); files.has_value()) {
    families.push_back(Family("process_open_fds", "Open file descriptors.", MetricType::Gauge, *files));
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families.push_back(Family("process_max_fds", "Most file descriptors that may be open.", MetricType::Gauge,
                              static_cast<double>(limit.rlim_cur)));
  }
  return families;
}

}  // namespace videodiffcr
