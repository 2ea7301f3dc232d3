// Owning names for FFmpeg's C structs: every free lives here and none at a call site. For the server, which encodes,
// and for the programs that read videos back.
#ifndef VIDEODIFFCR_MEDIA_AV_HANDLES_H_
#define VIDEODIFFCR_MEDIA_AV_HANDLES_H_

#include <memory>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libavutil/frame.h>
#include <libswscale/swscale.h>
}

namespace videodiffcr {

// For structs whose free takes the address of the pointer and clears it.
template <typename T, void (*Free)(T**)>
struct AvFreeByAddress {
  void operator()(T* object) const { Free(&object); }
};

// For structs whose free takes the pointer.
template <typename T, void (*Free)(T*)>
struct AvFreeByValue {
  void operator()(T* object) const { Free(object); }
};

using UniqueCodecContext = std::unique_ptr<AVCodecContext, AvFreeByAddress<AVCodecContext, avcodec_free_context>>;
using UniqueFrame = std::unique_ptr<AVFrame, AvFreeByAddress<AVFrame, av_frame_free>>;
using UniquePacket = std::unique_ptr<AVPacket, AvFreeByAddress<AVPacket, av_packet_free>>;
using UniqueInput = std::unique_ptr<AVFormatContext, AvFreeByAddress<AVFormatContext, avformat_close_input>>;
using UniqueScaler = std::unique_ptr<SwsContext, AvFreeByValue<SwsContext, sws_freeContext>>;

// An output format context with its custom byte sink: the sink's buffer belongs to FFmpeg and may have been moved by
// it, so it is freed through the context, before the context itself.
struct FreeFormatContext {
  void operator()(AVFormatContext* context) const {
    if (context->pb != nullptr) {
      av_freep(&context->pb->buffer);
      avio_context_free(&context->pb);
    }
    avformat_free_context(context);
  }
};
using UniqueFormatContext = std::unique_ptr<AVFormatContext, FreeFormatContext>;

// Options by name. FFmpeg takes entries out as it uses them; what is left was not understood.
class AvDictionary {
 public:
  AvDictionary() = default;
  ~AvDictionary() { av_dict_free(&entries_); }
  AvDictionary(const AvDictionary&) = delete;
  AvDictionary& operator=(const AvDictionary&) = delete;

  void Set(const char* key, const char* value) { av_dict_set(&entries_, key, value, 0); }
  AVDictionary** address() { return &entries_; }
  // Name of an option that nobody took; nullptr when all were used.
  const char* unused() const {
    const AVDictionaryEntry* entry = av_dict_get(entries_, "", nullptr, AV_DICT_IGNORE_SUFFIX);
    return entry == nullptr ? nullptr : entry->key;
  }

 private:
  AVDictionary* entries_ = nullptr;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MEDIA_AV_HANDLES_H_
