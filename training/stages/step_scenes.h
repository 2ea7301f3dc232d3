// The scenes and captions a step trains on: the scenes follow from the stage's seed, the step and the clip's place in
// the batch.
#ifndef VIDEODIFFCR_TRAINING_STAGES_STEP_SCENES_H_
#define VIDEODIFFCR_TRAINING_STAGES_STEP_SCENES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "training/data/clip_painter.h"
#include "training/run/stage_options.h"
#include "training/scenes/caption.h"
#include "training/scenes/random_stream.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {

std::vector<Scene> ScenesOfStep(const StageOptions& stage, int64_t step, const SceneOptions& options = {});

// The same scenes with a first frame each, drawn from [0, last_start_frame). Those of a piece are its Of() of these.
std::vector<ClipToPaint> ClipsOfStep(const StageOptions& stage, int64_t step, const SceneOptions& options,
                                     int last_start_frame);

// One caption of each of these scenes before any switch, worded by draws from `random`.
std::vector<std::string> CaptionsOfStep(const StageOptions& stage, int64_t step, RandomStream& random);

// The caption of every chunk in `chunks` (latent chunk numbers): one caption per segment, so chunks share it.
std::vector<std::string> CaptionsOfChunks(const Scene& scene, const std::vector<int64_t>& chunks,
                                          const CaptionOptions& options, RandomStream& random);
// Captions [clip][chunk] behind each other, chunk by chunk.
std::vector<std::string> ChunkByChunk(const std::vector<std::vector<std::string>>& captions);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_STEP_SCENES_H_
