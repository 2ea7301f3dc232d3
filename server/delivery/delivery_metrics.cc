#include "server/delivery/delivery_metrics.h"

namespace videodiffcr {

DeliveryMetrics::DeliveryMetrics(prometheus::Registry* registry, const std::string& model_name) {
  const prometheus::Labels labels{{"model", model_name}};
  auto& output_bytes = prometheus::BuildCounter()
                           .Name("videodiffcr_output_bytes_total")
                           .Help("Encoded bytes handed to the transport's queue, init segments included.")
                           .Labels(labels)
                           .Register(*registry);
  auto& encode_seconds = prometheus::BuildHistogram()
                             .Name("videodiffcr_encode_seconds")
                             .Help("Time to turn the frames of one chunk into bytes.")
                             .Labels(labels)
                             .Register(*registry);
  const prometheus::Histogram::BucketBoundaries buckets{.0005, .001, .0025, .005, .01, .02, .03,
                                                        .05,   .075, .1,    .15,  .25, .5,  1};
  for (VideoCodec codec : {VideoCodec::kH264, VideoCodec::kRawRgb24, VideoCodec::kRawYuv420p}) {
    const prometheus::Labels codec_label{{"codec", std::string(CodecName(codec))}};
    of(codec) = {&output_bytes.Add(codec_label), &encode_seconds.Add(codec_label, buckets)};
  }
  time_to_first_frames_seconds =
      &prometheus::BuildHistogram()
           .Name("videodiffcr_time_to_first_frames_seconds")
           .Help("From the first message to the first frames, encoded, of sessions that want them ahead of the chunk.")
           .Labels(labels)
           .Register(*registry)
           .Add({}, prometheus::Histogram::BucketBoundaries{.05, .075, .1, .15, .25, .5, .75, 1, 1.5, 2, 3, 5, 7.5, 10,
                                                            20, 30});
  send_buffer_bytes = &prometheus::BuildGauge()
                           .Name("videodiffcr_send_buffer_bytes")
                           .Help("Encoded bytes waiting for viewers' connections, all streams together.")
                           .Labels(labels)
                           .Register(*registry)
                           .Add({});
}

}  // namespace videodiffcr
