#include "client/metrics_text.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace videodiffcr {
namespace {

// `{name="value",...}` up to its closing brace, of which `*text` is freed. False when it is none.
bool TakeLabels(absl::string_view* text, MetricLabels* labels) {
  text->remove_prefix(1);
  while (!text->empty() && text->front() != '}') {
    const size_t equals = text->find("=\"");
    if (equals == absl::string_view::npos) return false;
    const std::string name(text->substr(0, equals));
    text->remove_prefix(equals + 2);
    std::string value;
    while (!text->empty() && text->front() != '"') {
      if (text->front() == '\\' && text->size() > 1) text->remove_prefix(1);
      value.push_back(text->front());
      text->remove_prefix(1);
    }
    if (text->empty()) return false;
    text->remove_prefix(1);
    if (!text->empty() && text->front() == ',') text->remove_prefix(1);
    labels->emplace(name, std::move(value));
  }
  if (text->empty()) return false;
  text->remove_prefix(1);
  return true;
}

bool Holds(const MetricLabels& labels, const MetricLabels& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& each) {
    const auto found = labels.find(each.first);
    return found != labels.end() && found->second == each.second;
  });
}

}  // namespace

MetricsText MetricsText::Parse(absl::string_view text) {
  MetricsText metrics;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty() || line.front() == '#') continue;
    const size_t end = line.find_first_of("{ ");
    if (end == absl::string_view::npos) continue;
    const std::string name(line.substr(0, end));
    line.remove_prefix(end);
    Sample sample;
    if (line.front() == '{' && !TakeLabels(&line, &sample.labels)) continue;
    if (absl::SimpleAtod(line, &sample.value)) metrics.samples_[name].push_back(std::move(sample));
  }
  return metrics;
}

std::optional<double> MetricsText::Sum(const std::string& name, const MetricLabels& labels) const {
  const auto found = samples_.find(name);
  std::optional<double> sum;
  if (found == samples_.end()) return sum;
  for (const Sample& sample : found->second) {
    if (Holds(sample.labels, labels)) sum = sum.value_or(0) + sample.value;
  }
  return sum;
}

std::string MetricsText::LabelOf(const std::string& name, const std::string& label) const {
  const auto found = samples_.find(name);
  if (found == samples_.end() || found->second.empty()) return "";
  const auto value = found->second.front().labels.find(label);
  return value == found->second.front().labels.end() ? "" : value->second;
}

double MetricsText::Growth(const std::string& counter, const MetricLabels& labels, const MetricsText& before) const {
  return std::max(0.0, Sum(counter, labels).value_or(0) - before.Sum(counter, labels).value_or(0));
}

std::optional<double> MetricsText::Mean(const std::string& histogram, const MetricLabels& labels,
                                        const MetricsText& before) const {
  const double count = Growth(histogram + "_count", labels, before);
  if (count <= 0) return std::nullopt;
  const std::string sum = histogram + "_sum";  // of slack, which may fall
  return (Sum(sum, labels).value_or(0) - before.Sum(sum, labels).value_or(0)) / count;
}

// Upper bound to how many observations lie below it, of all its series together.
std::map<double, double> MetricsText::Buckets(const std::string& histogram) const {
  std::map<double, double> buckets;
  const auto found = samples_.find(histogram + "_bucket");
  if (found == samples_.end()) return buckets;
  for (const Sample& sample : found->second) {
    const auto bound = sample.labels.find("le");
    double upper;
    if (bound != sample.labels.end() && absl::SimpleAtod(bound->second, &upper)) buckets[upper] += sample.value;
  }
  return buckets;
}

std::optional<double> MetricsText::Quantile(const std::string& histogram, double quantile,
                                            const MetricsText& before) const {
  std::map<double, double> buckets = Buckets(histogram);
  for (const auto& [upper, count] : before.Buckets(histogram)) buckets[upper] -= count;
  if (buckets.empty() || buckets.rbegin()->second <= 0) return std::nullopt;
  const double wanted = quantile * buckets.rbegin()->second;
  double lower = std::min(0.0, buckets.begin()->first), below = 0;
  for (const auto& [upper, count] : buckets) {
    if (count >= wanted && count > below) {
      // Beyond the last bound nothing is known but the bound.
      if (upper == std::numeric_limits<double>::infinity()) return lower;
      return lower + (upper - lower) * (wanted - below) / (count - below);
    }
    lower = upper;
    below = count;
  }
  return lower;
}

}  // namespace videodiffcr
