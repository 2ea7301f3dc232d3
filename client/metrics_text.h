// Metrics as Prometheus' text format has them, read for a person's eyes.
#ifndef VIDEODIFFCR_CLIENT_METRICS_TEXT_H_
#define VIDEODIFFCR_CLIENT_METRICS_TEXT_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace videodiffcr {

using MetricLabels = std::map<std::string, std::string>;

class MetricsText {
 public:
  // What is no sample is passed over.
  static MetricsText Parse(absl::string_view text);

  // The sum of all samples of this name whose labels hold `labels`; nullopt when there is none.
  std::optional<double> Sum(const std::string& name, const MetricLabels& labels = {}) const;
  // The first such sample's value of `label`; empty when there is none.
  std::string LabelOf(const std::string& name, const std::string& label) const;

  // The value below which a share of `quantile` of what a histogram saw since `before` lies, straight between its
  // bounds; nullopt when it saw nothing.
  std::optional<double> Quantile(const std::string& histogram, double quantile, const MetricsText& before) const;
  // The mean of what a histogram saw since `before`.
  std::optional<double> Mean(const std::string& histogram, const MetricLabels& labels, const MetricsText& before) const;
  // How much a counter has grown since `before`; 0 when it is not there or began anew.
  double Growth(const std::string& counter, const MetricLabels& labels, const MetricsText& before) const;

 private:
  struct Sample {
    MetricLabels labels;
    double value = 0;
  };
  std::map<double, double> Buckets(const std::string& histogram) const;

  std::map<std::string, std::vector<Sample>> samples_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_METRICS_TEXT_H_
