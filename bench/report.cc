#include "bench/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "system/whole_file.h"

namespace videodiffcr {

double Samples::Quantile(double q) const {
  if (values_.empty()) return 0;
  std::vector<double> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const double rank = std::ceil(q * static_cast<double>(sorted.size())) - 1;
  return sorted[static_cast<size_t>(std::clamp(rank, 0.0, static_cast<double>(sorted.size() - 1)))];
}

double Samples::Mean() const {
  return values_.empty() ? 0
                         : std::accumulate(values_.begin(), values_.end(), 0.0) / static_cast<double>(values_.size());
}

std::string Report::Table() const {
  std::vector<size_t> widths;
  for (const std::string& column : columns_) widths.push_back(column.size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  const auto line = [&widths](const std::vector<std::string>& cells) {
    std::string text = "|";
    for (size_t i = 0; i < cells.size(); ++i) {
      absl::StrAppend(&text, " ", cells[i], std::string(widths[i] - cells[i].size(), ' '), " |");
    }
    return text + "\n";
  };
  std::string table = line(columns_) + "|";
  for (const size_t width : widths) absl::StrAppend(&table, std::string(width + 2, '-'), "|");
  table += "\n";
  for (const auto& row : rows_) table += line(row);
  return table;
}

std::string Report::Json(const std::map<std::string, std::string>& context) const {
  nlohmann::json json = {{"context", context}, {"rows", nlohmann::json::array()}};
  for (const auto& row : rows_) {
    nlohmann::json object;
    for (size_t i = 0; i < row.size(); ++i) object[columns_[i]] = row[i];
    json["rows"].push_back(object);
  }
  return json.dump(1) + "\n";
}

absl::Status WriteReport(const std::string& file, const std::string& text) {
  if (file.empty()) return absl::OkStatus();
  return WriteWholeFile(file, text);
}

std::string MachineName() {
  std::ifstream info("/proc/cpuinfo");
  std::string line, name = "unknown processor";
  while (std::getline(info, line)) {
    if (absl::StartsWith(line, "model name")) {
      name = line.substr(line.find(':') + 2);
      break;
    }
  }
  return absl::StrCat(name, ", ", std::thread::hardware_concurrency(), " threads");
}

namespace {

// What nvidia-smi says of the GPUs' `fields`; empty when it does not answer.
std::string AskGpu(const std::string& fields) {
  const std::string command = absl::StrCat("nvidia-smi --query-gpu=", fields, " --format=csv,noheader 2>/dev/null");
  std::FILE* answer = popen(command.c_str(), "r");
  if (answer == nullptr) return "";
  std::string text;
  for (int c = std::fgetc(answer); c != EOF; c = std::fgetc(answer)) text += static_cast<char>(c);
  return pclose(answer) == 0 ? std::string(absl::StripAsciiWhitespace(text)) : "";
}

}  // namespace

std::string GpuName() { return AskGpu("name,driver_version,clocks.sm,clocks.mem,power.draw"); }

std::string GpuMemoryUsed() {
  const std::string answer = AskGpu("memory.used");
  return answer.empty() ? "-" : answer;
}

}  // namespace videodiffcr
