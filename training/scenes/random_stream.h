// Seeded draws for data: a stream is named by (seed, purpose, index) and does not depend on what was drawn before it or
// beside it, so an interrupted run that goes on at step n draws what an uninterrupted one draws.
#ifndef VIDEODIFFCR_TRAINING_SCENES_RANDOM_STREAM_H_
#define VIDEODIFFCR_TRAINING_SCENES_RANDOM_STREAM_H_

#include <array>
#include <cstdint>

namespace videodiffcr::training {

// What a stream is for; streams of different purposes are independent.
enum class DrawPurpose : uint32_t {
  kScene = 0x80000001,
  kCaption,
  kStage,           // what a training stage draws in one step
  kEvaluation,      // which prompts and seeds an evaluation uses
  kInitialWeights,  // one stream per tensor
  kRandomScores,    // one stream per clip and call of a router
  kBootstrap,       // one stream per replicate
};

class RandomStream {
 public:
  RandomStream(uint64_t seed, DrawPurpose purpose, uint64_t index);

  double Uniform();                         // [0, 1)
  double Uniform(double low, double high);  // [low, high)
  int Below(int count);                     // 0 .. count - 1
  bool Chance(double probability);
  uint64_t Bits64();

 private:
  uint32_t Bits();

  const uint64_t seed_;
  const DrawPurpose purpose_;
  const uint64_t index_;
  uint32_t block_ = 0;
  int used_ = 4;
  std::array<uint32_t, 4> bits_ = {};
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_SCENES_RANDOM_STREAM_H_
