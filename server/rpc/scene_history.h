// The finished chunks that the next one of a session looks back at, for its snapshots. Not thread-safe.
//
// Bounded: as many chunks as ModelInfo::window_chunks.
#ifndef VIDEODIFFCR_SERVER_RPC_SCENE_HISTORY_H_
#define VIDEODIFFCR_SERVER_RPC_SCENE_HISTORY_H_

#include <cstdint>
#include <vector>

#include "model/api/model_info.h"
#include "scheduler/session_types.h"

namespace videodiffcr {

class SceneHistory {
 public:
  explicit SceneHistory(const ModelInfo& model)
      : sink_chunks_(model.sink_chunks), latest_chunks_(model.window_chunks - model.sink_chunks) {}
  // Of a session that goes on.
  SceneHistory(const ModelInfo& model, const Continuation& before);

  // The next chunk, `frames` long, with its latents.
  void Add(EarlierChunk chunk, bool scene_start, int frames);

  // Made so far, in the whole video.
  int64_t chunks() const { return chunks_; }
  int64_t frames() const { return frames_; }
  // The scene's first chunks, as far as the model never forgets them, and its latest; rising.
  const std::vector<EarlierChunk>& scene() const { return scene_; }

 private:
  const int sink_chunks_;
  const int latest_chunks_;
  int64_t chunks_ = 0;
  int64_t frames_ = 0;
  std::vector<EarlierChunk> scene_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SCENE_HISTORY_H_
