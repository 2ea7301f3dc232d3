// The Prometheus families that encoding and sending feed (docs/metrics.md says which question each answers).
#ifndef VIDEODIFFCR_SERVER_DELIVERY_DELIVERY_METRICS_H_
#define VIDEODIFFCR_SERVER_DELIVERY_DELIVERY_METRICS_H_

#include <array>
#include <string>

#include "prometheus/counter.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "server/media/encoder_config.h"

namespace videodiffcr {

struct DeliveryMetrics {
  // Registers every family at 0 with constant label model=`model_name`. `registry` outlives this.
  DeliveryMetrics(prometheus::Registry* registry, const std::string& model_name);
  DeliveryMetrics(const DeliveryMetrics&) = delete;
  DeliveryMetrics& operator=(const DeliveryMetrics&) = delete;

  struct ForCodec {
    prometheus::Counter* output_bytes_total;  // init segments and payloads
    prometheus::Histogram* encode_seconds;    // one chunk
  };
  static constexpr int kCodecs = 3;
  std::array<ForCodec, kCodecs> by_codec;
  ForCodec& of(VideoCodec codec) { return by_codec[static_cast<int>(codec)]; }

  // From a session's first message to the frames that it wanted ahead of its first chunk.
  prometheus::Histogram* time_to_first_frames_seconds;
  prometheus::Gauge* send_buffer_bytes;  // encoded and not yet taken by the transport, all streams together
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_DELIVERY_DELIVERY_METRICS_H_
