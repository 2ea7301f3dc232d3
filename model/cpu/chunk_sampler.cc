#include "model/cpu/chunk_sampler.h"

#include <utility>

namespace videodiffcr::cpu {
namespace {

int64_t LatentValues(const TransformerConfig& config) {
  return config.chunk_frames * config.in_dim * config.latent_height * config.latent_width;
}

}  // namespace

SamplerSession::SamplerSession(const TransformerConfig& config, const RetentionConfig& retention, uint64_t seed)
    : seed(seed), cache(config, retention), latents(LatentValues(config)), noise(LatentValues(config)) {}

int64_t SamplerSession::Bytes(const TransformerConfig& config, const RetentionConfig& retention) {
  const int64_t text = 2 * config.num_layers * config.text_len * config.dim;
  return SessionCache::Bytes(config, retention) +
         (text + 2 * LatentValues(config)) * static_cast<int64_t>(sizeof(float));
}

ChunkSampler::ChunkSampler(const CpuTransformer* transformer, const RetentionConfig& retention,
                           std::vector<float> sigmas)
    : transformer_(transformer), retention_(retention), sigmas_(std::move(sigmas)) {}

int64_t ChunkSampler::Denoise(SamplerSession& session, int step, const RetentionTable* table, const NoiseSource& noise,
                              PassScratch& scratch, TeamMember& member, const PassObserver& observer) const {
  int64_t evicted = 0;
  if (member.rank() == 0) {
    if (step == 0) {
      evicted = session.cache.BeginChunk();
      noise(0, session.latents);
    }
    if (step + 1 < steps()) noise(step + 1, session.noise);
  }
  member.Barrier();
  if (step == 0) RotatePast(session, member);
  PassRequest request;
  request.cache = &session.cache;
  request.text = &session.text;
  request.latents = session.latents.data();
  request.timestep = step;
  request.rule = RuleOfPass(retention_, table, /*context_pass=*/false);
  request.on_flow = [&](RowRange tokens, const float* flow) { TakeStep(session, step, tokens, flow); };
  request.routing_seconds = observer.routing_seconds;
  request.on_kept = observer.on_kept;
  request.on_stream = observer.on_stream;
  transformer_->Pass(request, scratch, member);
  return evicted;
}

void ChunkSampler::RotatePast(SamplerSession& session, const TeamMember& member) const {
  for (int64_t layer = member.rank(); layer < transformer_->config().num_layers; layer += member.size()) {
    session.cache.RotatePast(layer);
  }
}

void ChunkSampler::Rebuild(SamplerSession& session, const RetentionTable* table, PassScratch& scratch,
                           TeamMember& member) const {
  if (member.rank() == 0) session.cache.BeginChunk();
  member.Barrier();
  RotatePast(session, member);
  Context(session, table, scratch, member);
}

// x0 = x_t - sigma flow in double, then (1 - sigma') x0 + sigma' noise in fp32, token by token. The flow's values are
// ordered row, column, channel within the patch (causal_wan_dit.md section 5, unpatchify).
void ChunkSampler::TakeStep(SamplerSession& session, int step, RowRange tokens, const float* flow) const {
  const TransformerConfig& config = transformer_->config();
  const double sigma = sigmas_[step];
  const bool last = step + 1 == steps();
  const float next_sigma = last ? 0.0f : sigmas_[step + 1];
  for (int64_t token = tokens.begin; token < tokens.end; ++token) {
    const int64_t frame = token / config.tokens_per_frame(), place = token % config.tokens_per_frame();
    const int64_t y = place / config.patch_columns() * config.patch_height;
    const int64_t x = place % config.patch_columns() * config.patch_width;
    for (int64_t py = 0; py < config.patch_height; ++py) {
      for (int64_t px = 0; px < config.patch_width; ++px) {
        for (int64_t channel = 0; channel < config.out_dim; ++channel) {
          const int64_t at =
              ((frame * config.out_dim + channel) * config.latent_height + y + py) * config.latent_width + x + px;
          const float clean = static_cast<float>(session.latents[at] - sigma * *flow++);
          session.latents[at] = last ? clean : (1.0f - next_sigma) * clean + next_sigma * session.noise[at];
        }
      }
    }
  }
}

void ChunkSampler::Context(SamplerSession& session, const RetentionTable* table, PassScratch& scratch,
                           TeamMember& member) const {
  PassRequest request;
  request.cache = &session.cache;
  request.text = &session.text;
  request.latents = session.latents.data();
  request.timestep = steps();
  request.context_pass = true;
  request.rule = RuleOfPass(retention_, table, /*context_pass=*/true);
  request.cache_shares = FindCacheShares(retention_.cache, table == nullptr ? kDenseTenths : table->nominal);
  request.cache_seed = session.seed;
  transformer_->Pass(request, scratch, member);
  if (member.rank() == 0) session.cache.MarkChunkComplete(request.cache_shares);
}

}  // namespace videodiffcr::cpu
