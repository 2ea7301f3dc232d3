// What decides which tokens of a routed block are kept.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_TOKEN_RANKING_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_TOKEN_RANKING_H_

namespace videodiffcr::training {

enum class TokenRanking {
  kRouter,      // what is served
  kRandom,      // uniform draws, anew for every clip, pass and block
  kUpdateNorm,  // the oracle: |Block(x) - x| of the dense block, which costs all that routing saves
};

// "router", "random", "oracle".
constexpr const char* RankingName(TokenRanking ranking) {
  return ranking == TokenRanking::kRandom ? "random" : ranking == TokenRanking::kUpdateNorm ? "oracle" : "router";
}

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_TOKEN_RANKING_H_
