#include "model/config/retention_json.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/config/enum_names.h"
#include "model/config/retention_tables_json.h"
#include "system/bounded_json.h"

namespace videodiffcr {
namespace {

using nlohmann::json;

const EnumNames<RouterGate>& RouterGateNames() {
  static const auto& names = *new EnumNames<RouterGate>{
      {RouterGate::kTwoSigmoid, "two_sigmoid"}, {RouterGate::kSigmoid, "sigmoid"}, {RouterGate::kNone, "none"}};
  return names;
}
const EnumNames<KvMode>& KvModeNames() {
  static const auto& names = *new EnumNames<KvMode>{{KvMode::kKept, "kept"}, {KvMode::kFull, "full"}};
  return names;
}
const EnumNames<ContextMode>& ContextModeNames() {
  static const auto& names =
      *new EnumNames<ContextMode>{{ContextMode::kDense, "dense"}, {ContextMode::kRoutedFullKv, "routed_full_kv"}};
  return names;
}

// A layer of a table is one number, its ratio, to which the steps' deltas are added, or a number per denoising step and
// one for the context pass.
RetentionTable TableOfLayers(RetentionTenths nominal, const std::vector<std::vector<int>>& layers,
                             const RetentionConfig& config) {
  RetentionTable table;
  table.nominal = nominal;
  for (const std::vector<int>& layer : layers) {
    table.tenths.push_back(
        layer.size() != 1
            ? layer
            : MakeRetentionTable(nominal, layer, config.step_delta_tenths, config.floor_tenths).tenths.front());
  }
  return table;
}

void ReadTables(const json& object, JsonFields* parent, RetentionConfig* config) {
  JsonFields fields(object, "retention.tables");
  for (const auto& item : object.items()) {
    int nominal = 0;
    std::vector<std::vector<int>> layers;
    if (!absl::SimpleAtoi(item.key(), &nominal) || nominal < 1 || nominal > 9) {
      return parent->Fail("tables", absl::StrCat(item.key().substr(0, 64), "; a budget must be 1 to 9 tenths"));
    }
    fields.Read(item.key().c_str(), &layers);
    for (const std::vector<int>& layer : layers) {
      for (const int tenths : layer) {
        if (tenths < config->floor_tenths || tenths > kDenseTenths) {
          fields.Fail(item.key(), absl::StrCat(tenths, "; must be from ", config->floor_tenths, " to 10"));
        }
      }
    }
    for (const int delta : config->step_delta_tenths) {
      if (delta < -kDenseTenths || delta > kDenseTenths) return;  // Validate() names it; here it must not overflow
    }
    if (config->floor_tenths > kDenseTenths) return;  // the same
    config->tables.push_back(TableOfLayers(nominal, layers, *config));
  }
  std::sort(config->tables.begin(), config->tables.end(),
            [](const RetentionTable& a, const RetentionTable& b) { return a.nominal > b.nominal; });
  parent->Merge(fields.Finish());
}

// A budget's entry is one number for all blocks or a list with one per block.
void ReadCache(const json& object, JsonFields* parent, CacheRetention* config) {
  JsonFields fields(object, "retention.cache");
  fields.ReadEnum("score", CacheScoreNames(), &config->score);
  if (const json* percent = fields.ReadObject("percent")) {
    JsonFields by_budget(*percent, "retention.cache.percent");
    for (const auto& item : percent->items()) {
      int budget = 0;
      if (!absl::SimpleAtoi(item.key(), &budget) || absl::StrCat(budget) != item.key()) {
        return parent->Fail("cache.percent", absl::StrCat(item.key().substr(0, 64), "; must be a budget in tenths"));
      }
      CacheShares shares = {budget, {0}};
      if (item.value().is_array()) {
        by_budget.Read(item.key().c_str(), &shares.percent);
      } else {
        by_budget.Read(item.key().c_str(), &shares.percent.front());
      }
      config->shares.push_back(std::move(shares));
    }
    fields.Merge(by_budget.Finish());
  }
  std::sort(config->shares.begin(), config->shares.end(),
            [](const CacheShares& a, const CacheShares& b) { return a.budget > b.budget; });
  parent->Merge(fields.Finish());
}

json FormatCache(const CacheRetention& cache) {
  json percent = json::object();
  for (const CacheShares& shares : cache.shares) {
    json& entry = percent[absl::StrCat(shares.budget)];
    if (shares.percent.size() == 1) {
      entry = shares.percent.front();
    } else {
      entry = shares.percent;
    }
  }
  json text = json::object();
  text["score"] = CacheScoreName(cache.score);
  text["percent"] = percent;
  return text;
}

}  // namespace

void ReadRetention(const json& object, JsonFields* parent, RetentionConfig* config) {
  JsonFields fields(object, "retention");
  // A dense model may have a cache setting and nothing else.
  const Presence routed = fields.Has("cache") && !fields.Has("file") ? Presence::kOptional : Presence::kRequired;
  fields.Read("file", &config->file, routed);
  fields.Read("router_dim", &config->router_dim, routed);
  fields.Read("bypass_rank", &config->bypass_rank, Presence::kOptional);
  fields.ReadEnum("gate", RouterGateNames(), &config->gate, routed);
  fields.ReadEnum("kv_mode", KvModeNames(), &config->kv_mode, routed);
  fields.ReadEnum("context_mode", ContextModeNames(), &config->context_mode, routed);
  fields.Read("frame_floor", &config->frame_floor, routed);
  fields.Read("step_delta_tenths", &config->step_delta_tenths, routed);
  fields.Read("floor_tenths", &config->floor_tenths, routed);
  if (const json* tables = fields.ReadObject("tables", routed)) ReadTables(*tables, &fields, config);
  if (const json* cache = fields.ReadObject("cache", Presence::kOptional)) ReadCache(*cache, &fields, &config->cache);
  parent->Merge(fields.Finish());
}

json FormatRetention(const RetentionConfig& retention) {
  if (retention.file.empty()) {
    json text = json::object();
    text["cache"] = FormatCache(retention.cache);
    return text;
  }
  json tables = json::object();
  for (const RetentionTable& table : retention.tables) {
    json& layers = tables[absl::StrCat(table.nominal)] = json::array();
    for (const std::vector<int>& row : table.tenths) {
      // The context pass has no delta: when the row is a ratio with deltas, its column is that ratio.
      const bool is_ratio = TableOfLayers(table.nominal, {{row.back()}}, retention).tenths.front() == row;
      if (is_ratio) {
        layers.push_back(row.back());
      } else {
        layers.push_back(row);
      }
    }
  }
  json text = {{"file", retention.file},
               {"router_dim", retention.router_dim},
               {"gate", NameOf(RouterGateNames(), retention.gate)},
               {"kv_mode", NameOf(KvModeNames(), retention.kv_mode)},
               {"context_mode", NameOf(ContextModeNames(), retention.context_mode)},
               {"frame_floor", retention.frame_floor},
               {"step_delta_tenths", retention.step_delta_tenths},
               {"floor_tenths", retention.floor_tenths},
               {"tables", tables}};
  if (retention.bypass_rank > 0) text["bypass_rank"] = retention.bypass_rank;
  if (!retention.cache.shares.empty()) text["cache"] = FormatCache(retention.cache);
  return text;
}

absl::Status ParseRetentionTables(std::string_view json_text, RetentionConfig* retention) {
  absl::StatusOr<json> parsed = ParseBoundedJson(json_text, kMaxConfigDepth);
  if (!parsed.ok()) return parsed.status();
  const json whole = {{"tables", *std::move(parsed)}};
  JsonFields fields(whole, "");
  retention->tables.clear();
  if (const json* tables = fields.ReadObject("tables")) ReadTables(*tables, &fields, retention);
  return fields.Finish();
}

}  // namespace videodiffcr
