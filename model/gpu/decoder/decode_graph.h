// The decode of a chunk as one launch: what VideoDecoder::Decode() queues, recorded once as a CUDA graph. For decoders
// of many small kernels, which the host queues more slowly than the device runs them.
//
// The graph works on buffers of its own: each call copies latents and the session's state in, and the state out again.
// Its kernels are those of Decode(), so pixels and state are the same bit for bit.
#ifndef VIDEODIFFCR_MODEL_GPU_DECODER_DECODE_GRAPH_H_
#define VIDEODIFFCR_MODEL_GPU_DECODER_DECODE_GRAPH_H_

#include <ATen/core/Tensor.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/plain/decoder/video_decoder.h"

namespace videodiffcr {

// One call at a time, all on the stream that was current in Record().
class DecodeGraph {
 public:
  // Records the decode of latents that go on with a scene and are like `latents` [frames, z_dim, h, w] in shape and
  // type; values do not matter. The current stream must not be the default one; returns when it has run dry. Nothing is
  // planned, loaded or taken from others while recording: the chunk is decoded a few times before. Other threads may
  // use the device meanwhile, but not this stream. `decoder` outlives the graph. InvalidArgument for tensors elsewhere
  // than on a CUDA device and for the default stream; Internal with CUDA's or Torch's words when the work cannot be
  // recorded, after which stream and device go on as if nothing had been tried.
  static absl::StatusOr<std::unique_ptr<DecodeGraph>> Record(const VideoDecoder& decoder, const at::Tensor& latents);
  ~DecodeGraph();
  DecodeGraph(const DecodeGraph&) = delete;
  DecodeGraph& operator=(const DecodeGraph&) = delete;

  // As VideoDecoder::Decode(), which it calls for what was not recorded: a scene's first latents, other shapes. The
  // pixels may be the graph's own: they are for work that is queued on the stream before the next call.
  absl::StatusOr<at::Tensor> Decode(const at::Tensor& latents, DecoderState& state);

 private:
  class Recording;

  DecodeGraph(const VideoDecoder& decoder, const at::Tensor& latents);
  absl::Status Make();
  bool Takes(const at::Tensor& latents, const DecoderState& state) const;

  const VideoDecoder& decoder_;
  const std::unique_ptr<Recording> recording_;
  at::Tensor latents_;  // what the recorded kernels read,
  DecoderState state_;  // read and write,
  at::Tensor pixels_;   // and write
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_GPU_DECODER_DECODE_GRAPH_H_
