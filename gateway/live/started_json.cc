#include "gateway/live/started_json.h"

#include "gateway/message_json.h"

namespace videodiffcr {
namespace {

constexpr const char* kToldFields[] = {"session_id",
                                       "seed",
                                       "width",
                                       "height",
                                       "frames_per_second",
                                       "first_chunk_frames",
                                       "chunk_frames",
                                       "codec_string",
                                       "codec",
                                       "container",
                                       "model",
                                       "length_chunks",
                                       "retention_target",
                                       "resumed",
                                       "next_sequence",
                                       "controls_received"};

}  // namespace

nlohmann::json StartedJson(const v1::SessionStarted& started) {
  const nlohmann::json all = MessageJson(started);
  nlohmann::json told = nlohmann::json::object();
  for (const char* field : kToldFields) {
    if (const auto found = all.find(field); found != all.end()) told[field] = *found;
  }
  return told;
}

}  // namespace videodiffcr
