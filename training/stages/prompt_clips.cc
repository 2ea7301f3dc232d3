#include "training/stages/prompt_clips.h"

#include <algorithm>
#include <set>

#include "training/scenes/random_stream.h"

namespace videodiffcr::training {
namespace {

// Of the clips that are trained on: other draws than the stage's own.
RandomStream ClipStream(uint64_t seed, uint64_t index) {
  return {RandomStream(seed, DrawPurpose::kStage, ~uint64_t{0}).Bits64(), DrawPurpose::kStage, index};
}

}  // namespace

PromptClips::PromptClips(const Options& options, const std::vector<std::string>& prompts) : options_(options) {
  const auto count = static_cast<int64_t>(prompts.size());
  const int64_t held_out = std::min(options.held_out, count / 2);
  std::set<int64_t> out;
  for (int64_t i = 0; i < held_out; ++i) out.insert(i * count / held_out);
  for (int64_t i = 0; i < count; ++i) {
    (out.count(i) > 0 ? held_out_ : trained_).push_back(prompts[static_cast<size_t>(i)]);
  }
  if (held_out_.empty()) held_out_.push_back(prompts.front());
}

std::vector<PromptClip> PromptClips::OfStep(int64_t step) const {
  std::vector<PromptClip> clips;
  for (int64_t clip = 0; clip < options_.batch; ++clip) {
    RandomStream random = ClipStream(options_.seed, static_cast<uint64_t>(step * options_.batch + clip));
    const auto prompt = static_cast<size_t>(random.Below(static_cast<int>(trained_.size())));
    clips.push_back({trained_[prompt], random.Bits64()});
  }
  return clips;
}

std::vector<PromptClip> PromptClips::HeldOut() const {
  std::vector<PromptClip> clips;
  for (size_t i = 0; i < held_out_.size(); ++i) {
    RandomStream random(options_.seed, DrawPurpose::kEvaluation, i);
    clips.push_back({held_out_[i], random.Bits64()});
  }
  return clips;
}

std::vector<std::string> PromptClips::PromptsOf(int64_t steps) const {
  std::set<std::string> all(held_out_.begin(), held_out_.end());
  for (int64_t step = 0; step < steps; ++step) {
    for (const PromptClip& clip : OfStep(step)) all.insert(clip.prompt);
  }
  return {all.begin(), all.end()};
}

}  // namespace videodiffcr::training
