#include "server/rpc/scene_history.h"

#include <utility>

namespace videodiffcr {

SceneHistory::SceneHistory(const ModelInfo& model, const Continuation& before) : SceneHistory(model) {
  chunks_ = before.chunks;
  frames_ = before.frames;
  scene_ = before.scene;
}

void SceneHistory::Add(EarlierChunk chunk, bool scene_start, int frames) {
  if (scene_start) scene_.clear();
  chunks_ = chunk.sequence + 1;
  frames_ += frames;
  scene_.push_back(std::move(chunk));
  if (static_cast<int>(scene_.size()) > sink_chunks_ + latest_chunks_) scene_.erase(scene_.begin() + sink_chunks_);
}

}  // namespace videodiffcr
