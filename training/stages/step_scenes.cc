#include "training/stages/step_scenes.h"

#include <utility>

namespace videodiffcr::training {

std::vector<ClipToPaint> ClipsOfStep(const StageOptions& stage, int64_t step, const SceneOptions& options,
                                     int last_start_frame) {
  std::vector<ClipToPaint> clips;
  for (int64_t clip = 0; clip < stage.batch; ++clip) {
    RandomStream random(stage.seed, DrawPurpose::kScene, static_cast<uint64_t>(step * stage.batch + clip));
    Scene scene = SampleScene(options, random);
    clips.push_back({std::move(scene), random.Below(last_start_frame)});
  }
  return clips;
}

std::vector<Scene> ScenesOfStep(const StageOptions& stage, int64_t step, const SceneOptions& options) {
  std::vector<Scene> scenes;
  for (ClipToPaint& clip : ClipsOfStep(stage, step, options, /*last_start_frame=*/1)) {
    scenes.push_back(std::move(clip.scene));
  }
  return scenes;
}

std::vector<std::string> CaptionsOfStep(const StageOptions& stage, int64_t step, RandomStream& random) {
  std::vector<std::string> captions;
  for (const Scene& scene : ScenesOfStep(stage, step)) captions.push_back(MakeCaption(scene.segments[0], {}, random));
  return captions;
}

std::vector<std::string> CaptionsOfChunks(const Scene& scene, const std::vector<int64_t>& chunks,
                                          const CaptionOptions& options, RandomStream& random) {
  std::vector<std::string> of_segments;
  for (const SceneSegment& segment : scene.segments) of_segments.push_back(MakeCaption(segment, options, random));
  std::vector<std::string> captions;
  captions.reserve(chunks.size());
  for (const int64_t chunk : chunks) {
    captions.push_back(of_segments[&scene.SegmentAt(FirstFrameOfChunk(chunk)) - scene.segments.data()]);
  }
  return captions;
}

std::vector<std::string> ChunkByChunk(const std::vector<std::vector<std::string>>& captions) {
  std::vector<std::string> ordered;
  for (size_t chunk = 0; chunk < captions.front().size(); ++chunk) {
    for (const std::vector<std::string>& of_clip : captions) ordered.push_back(of_clip[chunk]);
  }
  return ordered;
}

}  // namespace videodiffcr::training
