// What the optimiser is told, and what it says of an update.
#ifndef VIDEODIFFCR_TRAINING_RUN_ADAM_W_OPTIONS_H_
#define VIDEODIFFCR_TRAINING_RUN_ADAM_W_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/weights/weight_table.h"

namespace videodiffcr::training {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;
  double clip_norm = 1;                      // of the whole gradient
  int64_t bucket_bytes = int64_t{32} << 20;  // of gradients that several processes exchange at a time
};

// Weights with a rate and a decay of their own.
struct ParameterGroup {
  std::string name;
  std::vector<WeightRow> rows;  // whose tensors live as long as what holds the group
  double weight_decay = 0;
  // Their gradients are not whole before the update: something is added after the last piece's backward().
  bool late = false;
};

// What an update does to a group.
struct GroupRate {
  double learning_rate = 0;  // 0: it rests, its gradients are dropped and do not count in the clip
  int64_t update = 0;        // how many updates it has had: corrects its running means for their start
};

// Of gradients, before clipping.
struct GradientNorms {
  double all = 0;              // of all groups but those that rest
  std::vector<double> groups;  // of each, also of those that rest
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_RUN_ADAM_W_OPTIONS_H_
