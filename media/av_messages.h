// What FFmpeg itself has to say.
#ifndef VIDEODIFFCR_MEDIA_AV_MESSAGES_H_
#define VIDEODIFFCR_MEDIA_AV_MESSAGES_H_

#include <string_view>

namespace videodiffcr {

// Of the whole process: what FFmpeg would write to standard error goes to `take` instead, without a line's end and cut
// to 1 KiB, on whichever thread called FFmpeg. By itself it would wait for whoever reads. The words may be those of a
// file or a server. Before other threads use FFmpeg.
void RouteAvMessages(void (*take)(std::string_view message));

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MEDIA_AV_MESSAGES_H_
