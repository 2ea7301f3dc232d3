#include "training/evaluation/quality_score.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <set>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "system/regular_file.h"

namespace videodiffcr::training {
namespace {

constexpr int64_t kMaxFileBytes = 1 << 20;
constexpr char kHeader[] = "dimension,group,column,weight,least,most";

// A dimension in which the bad model beats renders tells nothing.
double WeightOf(const ProxyDimension& proxy, const QualityBounds& bounds) {
  const size_t column = static_cast<size_t>(proxy.column);
  return bounds.least[column] < bounds.most[column] ? proxy.weight : 0;
}

template <size_t count>
double GroupScore(const std::array<ProxyDimension, count>& proxies, const ColumnMeans& means,
                  const QualityBounds& bounds) {
  std::array<VBenchDimension, count> dimensions{};
  std::array<double, count> raw{};
  for (size_t i = 0; i < count; ++i) {
    const size_t column = static_cast<size_t>(proxies[i].column);
    dimensions[i] = {proxies[i].name, bounds.least[column], bounds.most[column], WeightOf(proxies[i], bounds)};
    raw[i] = means[column];
  }
  return VBenchGroupScore(dimensions, raw);
}

template <size_t count>
void AppendBounds(const std::array<ProxyDimension, count>& proxies, std::string_view group, const QualityBounds& bounds,
                  std::string* out) {
  for (const ProxyDimension& proxy : proxies) {
    const size_t column = static_cast<size_t>(proxy.column);
    absl::StrAppendFormat(out, "%s,%s,%s,%g,%.5f,%.5f\n", proxy.name, group, ColumnName(proxy.column),
                          WeightOf(proxy, bounds), bounds.least[column], bounds.most[column]);
  }
}

// The column of a dimension; -1 when there is none of that name.
int ColumnOf(std::string_view dimension) {
  for (const ProxyDimension& proxy : kQualityProxies) {
    if (proxy.name == dimension) return proxy.column;
  }
  for (const ProxyDimension& proxy : kSemanticProxies) {
    if (proxy.name == dimension) return proxy.column;
  }
  return -1;
}

absl::Status ParseBound(const std::string& line, QualityBounds* bounds, std::set<int>* seen) {
  const std::vector<std::string> fields = absl::StrSplit(line, ',');
  if (fields.size() != 6) return absl::InvalidArgumentError(absl::StrCat(fields.size(), " fields; must be 6"));
  const int column = ColumnOf(fields[0]);
  if (column < 0) return absl::InvalidArgumentError(absl::StrCat("dimension '", fields[0], "': there is no such one"));
  double least = 0, most = 0;
  if (!absl::SimpleAtod(fields[4], &least) || !absl::SimpleAtod(fields[5], &most) ||
      !(least < most || (fields[3] == "0" && least >= most))) {
    return absl::InvalidArgumentError(absl::StrCat(fields[0], ": least '", fields[4], "' must be a number below most '",
                                                   fields[5], "', or its weight 0"));
  }
  bounds->least[static_cast<size_t>(column)] = least;
  bounds->most[static_cast<size_t>(column)] = most;
  seen->insert(column);
  return absl::OkStatus();
}

}  // namespace

ColumnMeans MeansOf(const std::vector<ClipRecord>& clips) {
  ColumnMeans means;
  for (size_t column = 0; column < means.size(); ++column) {
    double sum = 0, count = 0;
    for (const ClipRecord& record : clips) {
      if (std::isnan(record.values[column])) continue;
      sum += record.values[column];
      ++count;
    }
    means[column] = count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / count;
  }
  return means;
}

std::optional<QualityScore> ScoreOf(const ColumnMeans& means, const QualityBounds& bounds) {
  QualityScore score;
  score.quality = GroupScore(kQualityProxies, means, bounds);
  score.semantic = GroupScore(kSemanticProxies, means, bounds);
  score.total = VBenchTotal(score.quality, score.semantic);
  if (std::isnan(score.total)) return std::nullopt;
  return score;
}

std::string FormatBounds(const QualityBounds& bounds, const std::string& command) {
  std::string out = absl::StrCat("# ", command, "\n", kHeader, "\n");
  AppendBounds(kQualityProxies, "quality", bounds, &out);
  AppendBounds(kSemanticProxies, "semantic", bounds, &out);
  return out;
}

absl::StatusOr<QualityBounds> ReadBounds(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadRegularFile(path, kMaxFileBytes);
  if (!text.ok()) return text.status();
  std::istringstream file(*text);
  QualityBounds bounds = {};
  std::set<int> seen;
  std::string line;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line.front() == '#' || line == kHeader) continue;
    if (absl::Status parsed = ParseBound(line, &bounds, &seen); !parsed.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", number, ": ", parsed.message()));
    }
  }
  if (seen.size() != kQualityProxies.size() + kSemanticProxies.size()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", seen.size(), " dimensions; must be ",
                                                   kQualityProxies.size() + kSemanticProxies.size()));
  }
  return bounds;
}

}  // namespace videodiffcr::training
