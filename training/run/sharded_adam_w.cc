#include "training/run/sharded_adam_w.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace videodiffcr::training {
namespace {

at::Tensor PieceOf(const std::vector<at::Tensor>& parts, size_t bucket, const BucketPiece& piece) {
  return parts[bucket].narrow(0, piece.place, piece.count);
}

}  // namespace

std::vector<ShardedAdamW::Row> ShardedAdamW::RowsInOrder(const std::vector<ParameterGroup>& groups) {
  std::vector<Row> rows;
  for (size_t group = 0; group < groups.size(); ++group) {
    for (auto row = groups[group].rows.rbegin(); row != groups[group].rows.rend(); ++row) {
      rows.push_back({*row, group, groups[group].late});
    }
  }
  return rows;
}

std::vector<ExchangedRow> ShardedAdamW::ExchangedRows(const std::vector<Row>& rows) {
  std::vector<ExchangedRow> exchanged;
  exchanged.reserve(rows.size());
  for (const Row& row : rows) exchanged.push_back({row.row, row.late});
  return exchanged;
}

BucketLayout ShardedAdamW::MakeLayout(const std::vector<Row>& rows, const AdamWOptions& options, int64_t ranks) {
  std::vector<int64_t> elements;
  elements.reserve(rows.size());
  for (const Row& row : rows) elements.push_back(row.row.destination->numel());
  return {elements, std::max<int64_t>(1, options.bucket_bytes / static_cast<int64_t>(sizeof(float))), ranks};
}

ShardedAdamW::ShardedAdamW(const std::vector<ParameterGroup>& groups, const AdamWOptions& options,
                           GradientExchange* exchange)
    : options_(options),
      exchange_(exchange),
      rows_(RowsInOrder(groups)),
      layout_(MakeLayout(rows_, options, exchange->world())),
      buckets_(ExchangedRows(rows_), layout_, exchange) {
  for (const ParameterGroup& group : groups) decays_.push_back(group.weight_decay);
  for (const Row& row : rows_) row.row.destination->set_requires_grad(true);
  std::vector<int64_t> own_rows;
  for (size_t bucket = 0; bucket < layout_.buckets(); ++bucket) {
    const size_t first = layout_.Pieces(bucket)[0].tensor;
    const at::TensorOptions like = rows_[first].row.destination->options().requires_grad(false);
    means_.push_back(at::zeros({layout_.PartElements(bucket)}, like));
    squares_.push_back(at::zeros({layout_.PartElements(bucket)}, like));
    for (const BucketPiece& piece : layout_.PiecesOfPart(bucket, exchange->rank())) {
      own_.push_back({bucket, piece});
      own_rows.push_back(static_cast<int64_t>(piece.tensor));
    }
  }
  own_rows_ = at::tensor(own_rows, at::kLong);
  if (!means_.empty()) own_rows_ = own_rows_.to(means_[0].device());
}

at::Tensor ShardedAdamW::WeightPiece(const OwnPiece& own) const {
  return InMemoryOrder(*rows_[own.piece.tensor].row.destination).narrow(0, own.piece.first, own.piece.count);
}

absl::StatusOr<ShardedAdamW::Norms> ShardedAdamW::NormsOf(const BucketExchange::Gradients& gradients) const {
  const auto rows = static_cast<int64_t>(rows_.size());
  std::vector<double> present(gradients.present.begin(), gradients.present.end());
  // First each row's squared norm, then at how many ranks it has a gradient.
  const at::Tensor sums = at::zeros({2 * rows}, own_rows_.options().dtype(at::kDouble));
  sums.narrow(0, rows, rows).copy_(at::tensor(present, at::kDouble));
  if (!own_.empty()) {
    std::vector<at::Tensor> pieces;
    for (const OwnPiece& own : own_) pieces.push_back(PieceOf(gradients.parts, own.bucket, own.piece));
    const at::Tensor squares = at::stack(at::_foreach_norm(pieces, 2)).to(at::kDouble).square();
    sums.narrow(0, 0, rows).index_add_(0, own_rows_, squares);
  }
  if (absl::Status added = exchange_->AllReduceSum({sums}); !added.ok()) return added;
  const at::Tensor known = sums.cpu();  // the only wait
  const double* const values = known.const_data_ptr<double>();
  Norms norms;
  for (int64_t i = 0; i < rows; ++i) {
    const std::string& name = rows_[static_cast<size_t>(i)].row.name;
    const double at_ranks = values[rows + i];
    if (at_ranks != 0 && at_ranks != static_cast<double>(exchange_->world())) {
      return absl::InternalError(
          absl::StrCat(name, " has a gradient at ", at_ranks, " of ", exchange_->world(), " ranks"));
    }
    if (!std::isfinite(values[i])) {
      return absl::InternalError(absl::StrCat("the gradient of ", name, " is not finite; try a lower learning rate"));
    }
    norms.squares.push_back(values[i]);
    norms.present.push_back(at_ranks != 0);
  }
  return norms;
}

GradientNorms ShardedAdamW::Summarise(const Norms& norms, const std::vector<GroupRate>& rates) const {
  GradientNorms result;
  result.groups.resize(decays_.size());
  for (size_t i = 0; i < rows_.size(); ++i) result.groups[rows_[i].group] += norms.squares[i];
  for (size_t group = 0; group < rates.size(); ++group) {
    if (rates[group].learning_rate > 0) result.all += result.groups[group];
    result.groups[group] = std::sqrt(result.groups[group]);
  }
  result.all = std::sqrt(result.all);
  return result;
}

absl::StatusOr<GradientNorms> ShardedAdamW::UpdateGroups(const std::vector<GroupRate>& rates) {
  const c10::NoGradGuard no_gradients;
  const absl::StatusOr<BucketExchange::Gradients> gradients = buckets_.Finish();
  if (!gradients.ok()) return gradients.status();
  const absl::StatusOr<Norms> norms = NormsOf(*gradients);
  if (!norms.ok()) return norms.status();
  const GradientNorms result = Summarise(*norms, rates);

  const auto moves = [&](size_t row) { return norms->present[row] && rates[rows_[row].group].learning_rate > 0; };
  std::vector<FusedRows> groups(rates.size());
  for (const OwnPiece& own : own_) {
    if (!moves(own.piece.tensor)) continue;
    FusedRows& lists = groups[rows_[own.piece.tensor].group];
    lists.weights.push_back(WeightPiece(own));
    lists.gradients.push_back(PieceOf(gradients->parts, own.bucket, own.piece));
    lists.means.push_back(PieceOf(means_, own.bucket, own.piece));
    lists.squares.push_back(PieceOf(squares_, own.bucket, own.piece));
  }
  for (size_t group = 0; group < groups.size(); ++group) {
    if (groups[group].weights.empty()) continue;
    if (result.all > options_.clip_norm) at::_foreach_mul_(groups[group].gradients, options_.clip_norm / result.all);
    ApplyAdamW(std::move(groups[group]), rates[group], decays_[group], options_);
  }
  for (size_t bucket = 0; bucket < layout_.buckets(); ++bucket) {
    const std::vector<BucketPiece>& pieces = layout_.Pieces(bucket);
    if (std::none_of(pieces.begin(), pieces.end(), [&](const BucketPiece& piece) { return moves(piece.tensor); })) {
      continue;
    }
    if (absl::Status shared = ShareWeights(bucket); !shared.ok()) return shared;
  }
  return result;
}

// The bucket's weights become those of their owners at every rank.
absl::Status ShardedAdamW::ShareWeights(size_t bucket) {
  at::Tensor part = at::zeros_like(means_[bucket]);
  std::vector<at::Tensor> from, to;
  for (const BucketPiece& piece : layout_.PiecesOfPart(bucket, exchange_->rank())) {
    from.push_back(WeightPiece({bucket, piece}));
    to.push_back(part.narrow(0, piece.place, piece.count));
  }
  if (!from.empty()) at::_foreach_copy_(to, from);
  const absl::StatusOr<at::Tensor> row = exchange_->AllGatherParts(part);
  if (!row.ok()) return row.status();
  exchange_->Join();
  from.clear();
  to.clear();
  for (const BucketPiece& piece : layout_.Pieces(bucket)) {
    from.push_back(row->narrow(0, piece.place, piece.count));
    to.push_back(WeightPiece({bucket, piece}));
  }
  at::_foreach_copy_(to, from);
  return absl::OkStatus();
}

std::vector<StateRow> ShardedAdamW::State(const std::string& prefix) {
  std::vector<StateRow> state;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const WeightRow& row = rows_[i].row;
    state.push_back({absl::StrCat(prefix, ".mean.", row.name), row.shape, this, 2 * i});
    state.push_back({absl::StrCat(prefix, ".square.", row.name), row.shape, this, 2 * i + 1});
  }
  return state;
}

int64_t ShardedAdamW::StateElements() const {
  int64_t elements = 0;
  for (size_t bucket = 0; bucket < layout_.buckets(); ++bucket) {
    elements += means_[bucket].numel() + squares_[bucket].numel();
  }
  return elements;
}

std::vector<ShardedAdamW::OwnPiece> ShardedAdamW::PiecesOf(size_t row, int64_t rank) const {
  std::vector<OwnPiece> pieces;
  const BucketLayout::Range buckets = layout_.BucketsOf(row);
  for (size_t bucket = buckets.begin; bucket < buckets.end; ++bucket) {
    for (const BucketPiece& piece : layout_.PiecesOfPart(bucket, rank)) {
      if (piece.tensor == row) pieces.push_back({bucket, piece});
    }
  }
  return pieces;
}

absl::StatusOr<at::Tensor> ShardedAdamW::Gather(size_t index) {
  const size_t row = index / 2;
  const std::vector<at::Tensor>& parts = index % 2 == 0 ? means_ : squares_;
  std::vector<int64_t> counts(static_cast<size_t>(exchange_->world()));
  for (int64_t rank = 0; rank < exchange_->world(); ++rank) {
    for (const OwnPiece& piece : PiecesOf(row, rank)) counts[static_cast<size_t>(rank)] += piece.piece.count;
  }
  std::vector<at::Tensor> mine = {at::empty({0}, at::kFloat)};
  for (const OwnPiece& own : PiecesOf(row, exchange_->rank())) {
    mine.push_back(PieceOf(parts, own.bucket, own.piece).to(at::kCPU, at::kFloat));
  }
  const absl::StatusOr<std::vector<at::Tensor>> gathered = exchange_->GatherToFirst(at::cat(mine), counts);
  if (!gathered.ok()) return gathered.status();
  if (exchange_->rank() != 0) return at::Tensor();
  const at::Tensor& weight = *rows_[row].row.destination;
  const at::Tensor whole = at::empty_strided(weight.sizes(), weight.strides(), at::kFloat);
  for (int64_t rank = 0; rank < exchange_->world(); ++rank) {
    int64_t taken = 0;
    for (const OwnPiece& own : PiecesOf(row, rank)) {
      InMemoryOrder(whole)
          .narrow(0, own.piece.first, own.piece.count)
          .copy_((*gathered)[static_cast<size_t>(rank)].narrow(0, taken, own.piece.count));
      taken += own.piece.count;
    }
  }
  return whole;
}

void ShardedAdamW::Keep(size_t index, const at::Tensor& whole) {
  const c10::NoGradGuard no_gradients;
  const at::Tensor& weight = *rows_[index / 2].row.destination;
  const at::Tensor ordered = at::empty_strided(weight.sizes(), weight.strides(), at::kFloat).copy_(whole);
  for (const OwnPiece& own : PiecesOf(index / 2, exchange_->rank())) {
    PieceOf(index % 2 == 0 ? means_ : squares_, own.bucket, own.piece)
        .copy_(InMemoryOrder(ordered).narrow(0, own.piece.first, own.piece.count));
  }
}

}  // namespace videodiffcr::training
