#include "training/model/block_feed.h"

#include <ATen/ops/empty.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <optional>
#include <vector>

#include "absl/strings/match.h"

namespace videodiffcr::training {
namespace {

// A power of two, which is what the allocator of pinned memory rounds up to; larger than any tensor of a block.
constexpr int64_t kSlabBytes = int64_t{1} << 30;
constexpr int64_t kAlignment = 256;

int64_t AlignedBytes(const at::Tensor& tensor) {
  return (static_cast<int64_t>(tensor.nbytes()) + kAlignment - 1) / kAlignment * kAlignment;
}

// Tensors behind each other in a few large pieces of host memory.
class HostMemory {
 public:
  // For tensors of `bytes` together.
  HostMemory(int64_t bytes, bool pinned) : bytes_left_(bytes), pinned_(pinned) {}

  // A copy of the tensor there.
  at::Tensor Keep(const at::Tensor& tensor) {
    const int64_t bytes = AlignedBytes(tensor);
    if (!slab_.defined() || used_ + bytes > slab_.numel()) {
      slab_ = at::empty({std::max(bytes, std::min(kSlabBytes, bytes_left_))},
                        at::TensorOptions(at::kByte).pinned_memory(pinned_));
      used_ = 0;
    }
    const at::Tensor place = slab_.narrow(0, used_, static_cast<int64_t>(tensor.nbytes()));
    used_ += bytes;
    bytes_left_ -= bytes;
    return place.view(tensor.scalar_type()).view(tensor.sizes()).copy_(tensor);
  }

 private:
  at::Tensor slab_;
  int64_t used_ = 0, bytes_left_;
  const bool pinned_;
};

// The rows of a network that has these blocks, of the blocks alone, or of all else.
std::vector<WeightRow> RowsOf(TransformerConfig config, TransformerWeights& weights, bool of_blocks) {
  config.num_layers = static_cast<int64_t>(weights.blocks.size());
  std::vector<WeightRow> rows;
  for (const WeightRow& row : TransformerWeightTable(config, &weights)) {
    if (absl::StartsWith(row.name, "blocks.") == of_blocks) rows.push_back(row);
  }
  return rows;
}

}  // namespace

void MoveBlocksToHost(at::Device device, DiffusionTransformer* model) {
  for (const WeightRow& row : RowsOf(model->config, model->weights, /*of_blocks=*/false)) {
    *row.destination = row.destination->to(device);
  }
  const std::vector<WeightRow> rows = RowsOf(model->config, model->weights, /*of_blocks=*/true);
  int64_t bytes = 0;
  for (const WeightRow& row : rows) bytes += AlignedBytes(*row.destination);
  HostMemory memory(bytes, /*pinned=*/!device.is_cpu());
  for (const WeightRow& row : rows) *row.destination = memory.Keep(*row.destination);
}

// Copies beside what the device computes. On a CPU all is done when it is asked for.
class StreamedBlocks::CopyStream {
 public:
  explicit CopyStream(at::Device device) : device_(device) {
    if (device.is_cpu()) return;
    impl_.emplace(device.type());
    stream_ = impl_->getStreamFromGlobalPool(device);
    asked_.emplace(device.type());
    done_.emplace(device.type());
  }

  // Runs `copy`, which asks the device for copies, behind all that its current stream was asked for so far.
  template <typename Copies>
  void Run(const Copies& copy) {
    if (!stream_) return copy();
    asked_->record(impl_->getStream(device_));
    asked_->block(*stream_);
    const c10::StreamGuard guard(*stream_);
    copy();
    done_->record(*stream_);
  }

  // What the current stream is asked for from here on comes behind the copies.
  void Join() {
    if (stream_) done_->block(impl_->getStream(device_));
  }

 private:
  const at::Device device_;
  std::optional<c10::impl::VirtualGuardImpl> impl_;
  std::optional<c10::Stream> stream_;
  std::optional<c10::Event> asked_, done_;
};

StreamedBlocks::StreamedBlocks(const DiffusionTransformer& model)
    : model_(model), copies_(std::make_unique<CopyStream>(model.weights.head.weight.device())) {
  const at::Device device = model.weights.head.weight.device();
  for (TransformerWeights& slot : slots_) {
    slot.blocks = {model.weights.blocks.front()};
    slot.blocks.front().router.reset();
    for (const WeightRow& row : RowsOf(model.config, slot, /*of_blocks=*/true)) {
      *row.destination = at::empty(row.destination->sizes(), row.destination->options().device(device));
    }
  }
  Copy(0);
}

StreamedBlocks::~StreamedBlocks() {
  if (taken_ == copied_) return;
  // A pass that was broken off: the slots' memory goes to others when the copy into them is done.
  try {
    copies_->Join();
  } catch (const std::exception&) {  // of a device that is broken: nothing runs there any more
  }
}

void StreamedBlocks::Copy(size_t index) {
  TransformerWeights source;
  source.blocks = {model_.weights.blocks[index]};
  const std::vector<WeightRow> to = RowsOf(model_.config, slots_[index % 2], /*of_blocks=*/true);
  const std::vector<WeightRow> from = RowsOf(model_.config, source, /*of_blocks=*/true);
  copies_->Run([&] {
    for (size_t i = 0; i < to.size(); ++i) {
      to[i].destination->copy_(*from[i].destination, /*non_blocking=*/true);
    }
  });
  copied_ = index + 1;
}

const BlockWeights& StreamedBlocks::Take(size_t index) {
  copies_->Join();
  taken_ = index + 1;
  // The other slot's block has been asked for all it has to do.
  if (index + 1 < model_.weights.blocks.size()) Copy(index + 1);
  return slots_[index % 2].blocks.front();
}

std::unique_ptr<BlockFeed> FeedBlocks(const DiffusionTransformer& model) {
  const TransformerWeights& weights = model.weights;
  if (weights.blocks.empty() || weights.blocks.front().modulation.device() == weights.head.weight.device()) {
    return std::make_unique<ResidentBlocks>(model);
  }
  return std::make_unique<StreamedBlocks>(model);
}

}  // namespace videodiffcr::training
