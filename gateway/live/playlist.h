// HLS (RFC 8216) over the chunks that a live session keeps.
#ifndef VIDEODIFFCR_GATEWAY_LIVE_PLAYLIST_H_
#define VIDEODIFFCR_GATEWAY_LIVE_PLAYLIST_H_

#include <string>

#include "gateway/http/broadcast_log.h"
#include "gateway/live/live_session.h"

namespace videodiffcr {

// A media playlist of version 7 whose segments are CMAF fragments: "N.m4s" behind "init-N.mp4", beside the playlist.
// It has an end when nothing comes any more.
std::string MediaPlaylist(const BroadcastLog<LiveChunk>::Snapshot& chunks);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_GATEWAY_LIVE_PLAYLIST_H_
