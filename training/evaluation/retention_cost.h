// What a retention table saves, in the two ways it is counted: rows that are processed, and multiply-adds.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_RETENTION_COST_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_RETENTION_COST_H_

#include <cstdint>
#include <vector>

#include "model/config/model_config.h"
#include "model/config/retention_table.h"

namespace videodiffcr::training {

// Of the transformer's blocks; the routers, which cost less than a hundredth of a block, are not in it.
struct RetentionCost {
  double executed = 1;  // share of a chunk's rows that a block processes, mean over blocks and denoising passes
  double executed_with_context = 1;  // the same with the context pass
  double multiply_adds = 0;          // of a chunk's denoising passes, mean over the chunks of the video
  double multiply_adds_with_context = 0;
};

// Of a video of `chunks` chunks, whose later ones attend to more past.
RetentionCost CostOfTable(const ModelConfig& config, const RetentionTable& table, int64_t chunks);

// The same for passes over any number of rows, which attend to each other and to the past: what students without a
// retention table cost. `rows`: [block][pass], the context pass last.
RetentionCost CostOfRows(const ModelConfig& config, const std::vector<std::vector<int64_t>>& rows, int64_t chunks);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_RETENTION_COST_H_
