#include "media/av_messages.h"

#include <atomic>
#include <cstdarg>

extern "C" {
#include <libavutil/log.h>
}

namespace videodiffcr {
namespace {

constexpr int kMaxBytes = 1024;

std::atomic<void (*)(std::string_view)> taker = nullptr;

void Tell(void* speaker, int level, const char* format, va_list arguments) {
  if (level > av_log_get_level()) return;
  char text[kMaxBytes] = {};
  int with_speaker = 1;
  av_log_format_line(speaker, level, format, arguments, text, kMaxBytes, &with_speaker);
  std::string_view message = text;
  while (message.ends_with('\n')) message.remove_suffix(1);
  if (!message.empty()) taker.load()(message);
}

}  // namespace

void RouteAvMessages(void (*take)(std::string_view message)) {
  taker = take;
  av_log_set_callback(&Tell);
}

}  // namespace videodiffcr
