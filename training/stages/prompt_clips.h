// Which prompts and which noise the clips of a step have, and which prompts are held out. Pure: step n's clips follow
// from the seed, n and the list of prompts alone.
#ifndef VIDEODIFFCR_TRAINING_STAGES_PROMPT_CLIPS_H_
#define VIDEODIFFCR_TRAINING_STAGES_PROMPT_CLIPS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace videodiffcr::training {

struct PromptClip {
  std::string prompt;
  uint64_t seed = 0;  // of its noise
};

class PromptClips {
 public:
  struct Options {
    uint64_t seed = 1;
    int64_t batch = 1;     // clips of a step
    int64_t held_out = 4;  // prompts, spread evenly over the list; at most half of it
  };

  // At least one prompt. Of a single one, the held-out clip has its words and other noise.
  PromptClips(const Options& options, const std::vector<std::string>& prompts);

  std::vector<PromptClip> OfStep(int64_t step) const;
  // Always the same.
  std::vector<PromptClip> HeldOut() const;
  // The prompts of all of these and of steps 0 to steps - 1, each once.
  std::vector<std::string> PromptsOf(int64_t steps) const;

 private:
  const Options options_;
  std::vector<std::string> trained_, held_out_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_PROMPT_CLIPS_H_
