#include "client/top_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "command_line/printable_text.h"

namespace videodiffcr {
namespace {

using Row = std::vector<std::string>;

constexpr double kMebibyte = 1 << 20;

std::string Number(std::optional<double> value, int digits) {
  return value.has_value() ? absl::StrFormat("%.*f", digits, *value) : "-";
}

// Share of `part` in `whole`, in percent.
std::string Percent(std::optional<double> part, std::optional<double> whole) {
  if (!part.has_value() || whole.value_or(0) <= 0) return "-";
  return absl::StrFormat("%.0f%%", 100 * *part / *whole);
}

std::string StateOf(const MetricsText& now) {
  if (now.Sum("videodiffcr_draining").value_or(0) > 0) return "draining";
  return now.Sum("videodiffcr_ready").value_or(0) > 0 ? "ready" : "not ready";
}

double SessionsIn(const TopServer& server, const char* state) {
  return server.now.Sum("videodiffcr_sessions", {{"state", state}}).value_or(0);
}

double ActiveIn(const TopServer& server) {
  return server.now.Sum("videodiffcr_sessions").value_or(0) - SessionsIn(server, "waiting");
}

double PerSecond(const TopServer& server, const char* counter) {
  const double seconds = absl::ToDoubleSeconds(server.between);
  return seconds > 0 ? server.now.Growth(counter, {}, server.before) / seconds : 0;
}

// Continuous-play ratio of what was delivered in between.
std::optional<double> PlayRatio(const TopServer& server) {
  const double chunks = server.now.Growth("videodiffcr_chunks_total", {}, server.before);
  if (chunks <= 0) return std::nullopt;
  return 1 - server.now.Growth("videodiffcr_chunk_deadline_misses_total", {}, server.before) / chunks;
}

std::string SessionsOf(const TopServer& server) {
  const std::string active = Number(ActiveIn(server), 0);
  if (!server.max_sessions.has_value()) return active;
  return server.max_sessions->ok() ? absl::StrCat(active, "/", **server.max_sessions) : absl::StrCat(active, "/?");
}

Row RowOf(const TopServer& server) {
  const std::string name = PrintableText(server.name);
  if (!server.reached.ok()) return {name, "down", PrintableText(std::string(server.reached.message()))};
  const MetricsText &now = server.now, &before = server.before;
  const auto nominal = now.Mean("videodiffcr_retention_ratio", {{"kind", "nominal"}}, before);
  const auto executed = now.Mean("videodiffcr_retention_ratio", {{"kind", "executed"}}, before);
  const auto gpu = now.Sum("videodiffcr_gpu_memory_bytes");
  return {name,
          StateOf(now),
          PrintableText(now.LabelOf("videodiffcr_sessions", "model")),
          SessionsOf(server),
          Number(SessionsIn(server, "waiting"), 0),
          Number(PerSecond(server, "videodiffcr_chunks_total"), 1),
          Number(now.Quantile("videodiffcr_time_to_first_chunk_seconds", 0.5, before), 3),
          Number(now.Quantile("videodiffcr_chunk_slack_seconds", 0.05, before), 2),
          Number(PlayRatio(server), 3),
          absl::StrCat(Number(nominal, 2), "/", Number(executed, 2)),
          Percent(now.Sum("videodiffcr_kv_cache_bytes"), now.Sum("videodiffcr_kv_cache_capacity_bytes")),
          Number(now.Sum("process_resident_memory_bytes").value_or(0) / kMebibyte, 0),
          Number(gpu.value_or(0) / kMebibyte, 0),
          Number(PerSecond(server, "videodiffcr_admission_rejections_total"), 1)};
}

Row TotalOf(const std::vector<TopServer>& servers) {
  double active = 0, waiting = 0, chunks = 0, refused = 0;
  int reached = 0;
  for (const TopServer& server : servers) {
    if (!server.reached.ok()) continue;
    ++reached;
    active += ActiveIn(server);
    waiting += SessionsIn(server, "waiting");
    chunks += PerSecond(server, "videodiffcr_chunks_total");
    refused += PerSecond(server, "videodiffcr_admission_rejections_total");
  }
  return {"together",
          absl::StrCat(reached, " of ", servers.size()),
          "",
          Number(active, 0),
          Number(waiting, 0),
          Number(chunks, 1),
          "",
          "",
          "",
          "",
          "",
          "",
          "",
          Number(refused, 1)};
}

}  // namespace

absl::StatusOr<MetricsText> ReadServerMetrics(const std::string& page) {
  MetricsText metrics = MetricsText::Parse(page);
  if (metrics.Sum("videodiffcr_ready").has_value()) return metrics;
  return absl::FailedPreconditionError("what answers is no server's port for Prometheus (--metrics-listen)");
}

std::string TopTable(const std::vector<TopServer>& servers) {
  std::vector<Row> rows = {{"SERVER", "STATE", "MODEL", "SESSIONS", "WAIT", "CHUNKS/S", "FIRST s", "SLACK p5 s", "CPR",
                            "BUDGET", "KV", "RSS MiB", "GPU MiB", "REFUSED/S"}};
  for (const TopServer& server : servers) rows.push_back(RowOf(server));
  rows.push_back(TotalOf(servers));
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const Row& row : rows) {
    if (row.size() < widths.size()) continue;  // a server that is down has a sentence, not columns
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  widths[0] =
      std::max_element(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a[0].size() < b[0].size(); })
          ->front()
          .size();
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      // Words to the left, figures to the right.
      if (i > 0) line += "  ";
      const auto width = static_cast<int>(widths[i]);
      absl::StrAppend(&line, i < 3 ? absl::StrFormat("%-*s", width, row[i]) : absl::StrFormat("%*s", width, row[i]));
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  }
  for (const TopServer& server : servers) {
    if (!server.reached.ok() || !server.max_sessions.has_value() || server.max_sessions->ok()) continue;
    absl::StrAppend(&text, PrintableText(server.name),
                    ": its limits are not known: ", PrintableText(std::string(server.max_sessions->status().message())),
                    "\n");
  }
  return text;
}

}  // namespace videodiffcr
