#include "model/plain/transformer/transformer_weights.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr {

namespace {

constexpr char kRouterPart[] = ".router.", kBypassPart[] = ".bypass.";

void AddLinear(const std::string& name, int64_t out, int64_t in, LinearWeights* linear, std::vector<WeightRow>* rows) {
  rows->push_back({name + ".weight", {out, in}, &linear->weight});
  rows->push_back({name + ".bias", {out}, &linear->bias});
}

void AddAttention(const std::string& name, int64_t dim, AttentionWeights* attention, std::vector<WeightRow>* rows) {
  AddLinear(name + ".q", dim, dim, &attention->q, rows);
  AddLinear(name + ".k", dim, dim, &attention->k, rows);
  AddLinear(name + ".v", dim, dim, &attention->v, rows);
  AddLinear(name + ".o", dim, dim, &attention->o, rows);
  rows->push_back({name + ".norm_q.weight", {dim}, &attention->norm_q});
  rows->push_back({name + ".norm_k.weight", {dim}, &attention->norm_k});
}

void AddBlock(const std::string& name, const TransformerConfig& config, BlockWeights* block,
              std::vector<WeightRow>* rows) {
  const int64_t dim = config.dim;
  rows->push_back({name + ".modulation", {1, 6, dim}, &block->modulation});
  AddAttention(name + ".self_attn", dim, &block->self_attn, rows);
  rows->push_back({name + ".norm3.weight", {dim}, &block->norm3_weight});
  rows->push_back({name + ".norm3.bias", {dim}, &block->norm3_bias});
  AddAttention(name + ".cross_attn", dim, &block->cross_attn, rows);
  AddLinear(name + ".ffn.0", config.ffn_dim, dim, &block->ffn_in, rows);
  AddLinear(name + ".ffn.2", dim, config.ffn_dim, &block->ffn_out, rows);
}

}  // namespace

std::vector<WeightRow> TransformerWeightTable(const TransformerConfig& config, TransformerWeights* weights) {
  const int64_t dim = config.dim;
  const int64_t patch = config.patch_height * config.patch_width;
  std::vector<WeightRow> rows;
  rows.push_back({"patch_embedding.weight",
                  {dim, config.in_dim, 1, config.patch_height, config.patch_width},
                  &weights->patch_embedding.weight});
  rows.push_back({"patch_embedding.bias", {dim}, &weights->patch_embedding.bias});
  AddLinear("text_embedding.0", dim, config.text_dim, &weights->text_embedding_in, &rows);
  AddLinear("text_embedding.2", dim, dim, &weights->text_embedding_out, &rows);
  AddLinear("time_embedding.0", dim, config.freq_dim, &weights->time_embedding_in, &rows);
  AddLinear("time_embedding.2", dim, dim, &weights->time_embedding_out, &rows);
  AddLinear("time_projection.1", 6 * dim, dim, &weights->time_projection, &rows);
  weights->blocks.resize(config.num_layers);
  for (int64_t i = 0; i < config.num_layers; ++i) {
    AddBlock(absl::StrCat("blocks.", i), config, &weights->blocks[i], &rows);
  }
  rows.push_back({"head.modulation", {1, 2, dim}, &weights->head_modulation});
  AddLinear("head.head", patch * config.out_dim, dim, &weights->head, &rows);
  return rows;
}

std::vector<WeightRow> RouterWeightTable(const TransformerConfig& config, int64_t router_dim,
                                         TransformerWeights* weights) {
  std::vector<WeightRow> rows;
  for (size_t i = 0; i < weights->blocks.size(); ++i) {
    std::optional<RouterWeights>& slot = weights->blocks[i].router;
    RouterWeights& router = slot ? *slot : slot.emplace();
    const std::string name = absl::StrCat("blocks.", i, ".router");
    AddLinear(name + ".down", router_dim, config.dim, &router.down, &rows);
    rows.push_back({name + ".mix", {router_dim, config.chunk_frames, config.chunk_frames}, &router.mix});
    rows.push_back({name + ".score.weight", {1, router_dim}, &router.score});
  }
  return rows;
}

std::vector<WeightRow> BypassWeightTable(const TransformerConfig& config, int64_t rank, TransformerWeights* weights) {
  std::vector<WeightRow> rows;
  for (size_t i = 0; rank > 0 && i < weights->blocks.size(); ++i) {
    std::optional<BypassWeights>& slot = weights->blocks[i].bypass;
    BypassWeights& bypass = slot ? *slot : slot.emplace();
    const std::string name = absl::StrCat("blocks.", i, ".bypass");
    rows.push_back({name + ".down.weight", {rank, config.dim}, &bypass.down});
    rows.push_back({name + ".up.weight", {config.dim, rank}, &bypass.up});
  }
  return rows;
}

std::vector<WeightRow> RoutingWeightTable(const TransformerConfig& config, int64_t router_dim, int64_t bypass_rank,
                                          TransformerWeights* weights) {
  std::vector<WeightRow> rows = RouterWeightTable(config, router_dim, weights);
  for (WeightRow& row : BypassWeightTable(config, bypass_rank, weights)) rows.push_back(std::move(row));
  return rows;
}

absl::StatusOr<TransformerWeights> LoadTransformerWeights(const SafetensorsReader& reader,
                                                          const TransformerConfig& config,
                                                          const WeightOptions& options) {
  if (absl::Status status = config.Validate(); !status.ok()) return status;
  WeightOptions without_routers = options;
  without_routers.other_owners.push_back(kRouterPart);
  without_routers.other_owners.push_back(kBypassPart);
  TransformerWeights weights;
  const std::vector<WeightRow> rows = TransformerWeightTable(config, &weights);
  if (absl::Status status = LoadWeightTable(reader, rows, without_routers); !status.ok()) return status;
  return weights;
}

absl::Status LoadRouterWeights(const SafetensorsReader& reader, const TransformerConfig& config, int64_t router_dim,
                               int64_t bypass_rank, const WeightOptions& options, TransformerWeights* weights) {
  if (router_dim < 1) {
    return absl::InvalidArgumentError(absl::StrCat("router_dim: ", router_dim, "; must be at least 1"));
  }
  // Only router tensors concern this table: in a file that holds everything the others are the transformer's.
  TransformerWeights transformer;
  WeightOptions without_transformer = options;
  for (const WeightRow& row : TransformerWeightTable(config, &transformer)) {
    without_transformer.other_owners.push_back(row.name);
  }
  const std::vector<WeightRow> rows = RoutingWeightTable(config, router_dim, bypass_rank, weights);
  const absl::Status status = LoadWeightTable(reader, rows, without_transformer);
  if (!status.ok()) {
    for (BlockWeights& block : weights->blocks) {
      block.router.reset();
      block.bypass.reset();
    }
  }
  return status;
}

}  // namespace videodiffcr
