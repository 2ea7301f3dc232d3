// What /proc says of this process, against other sources that know it, too.
#include "server/metrics/process_metrics.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <latch>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "prometheus/metric_family.h"

namespace videodiffcr {
namespace {

std::map<std::string, double> Collect() {
  std::map<std::string, double> values;
  for (const prometheus::MetricFamily& family : ProcessMetrics().Collect()) {
    const prometheus::ClientMetric& metric = family.metric.at(0);
    values[family.name] = family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value;
  }
  return values;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

TEST(ProcessMetricsTest, ProcessorTimeIsThatOfUserAndSystemInSeconds) {
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  const double seconds = Collect().at("process_cpu_seconds_total");
  getrusage(RUSAGE_SELF, &after);
  // The two count in ticks of their own, a hundredth of a second or so.
  EXPECT_GE(seconds, Seconds(before.ru_utime) + Seconds(before.ru_stime) - 0.1);
  EXPECT_LE(seconds, Seconds(after.ru_utime) + Seconds(after.ru_stime) + 0.1);
}

TEST(ProcessMetricsTest, MemoryIsInBytes) {
  std::vector<char> memory(64 << 20, 1);
  const std::map<std::string, double> values = Collect();
  EXPECT_GT(values.at("process_resident_memory_bytes"), 64 << 20);
  EXPECT_LT(values.at("process_resident_memory_bytes"), 1e12);
  EXPECT_GE(values.at("process_virtual_memory_bytes"), values.at("process_resident_memory_bytes"));
  EXPECT_EQ(memory.back(), 1);
}

TEST(ProcessMetricsTest, ThreadsAndFilesAreCounted) {
  // Lives throughout: a joined thread may still be counted, and the first one may bring a sanitizer's own along.
  std::latch over(1);
  std::thread first([&] { over.wait(); });
  const std::map<std::string, double> before = Collect();
  const int file = dup(STDERR_FILENO);
  std::map<std::string, double> within;
  std::thread([&] { within = Collect(); }).join();
  close(file);
  over.count_down();
  first.join();
  EXPECT_EQ(within.at("process_threads"), before.at("process_threads") + 1);
  EXPECT_EQ(within.at("process_open_fds"), before.at("process_open_fds") + 1);
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(before.at("process_max_fds"), static_cast<double>(limit.rlim_cur));
}

TEST(ProcessMetricsTest, TheProcessBeganInThePastAndAfterTheMachine) {
  const double began = Collect().at("process_start_time_seconds");
  const auto now = static_cast<double>(std::time(nullptr));
  timespec uptime{};
  ASSERT_EQ(clock_gettime(CLOCK_BOOTTIME, &uptime), 0);
  EXPECT_LE(began, now + 2);
  EXPECT_GE(began, now - static_cast<double>(uptime.tv_sec) - 2);
  EXPECT_GT(began, now - 86'400) << "no test runs for a day";
}

}  // namespace
}  // namespace videodiffcr
