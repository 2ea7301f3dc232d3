#include "model/kernels/attention_plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace videodiffcr::kernels {
namespace {

// Costs in key tiles. Loading the queries and storing the result of an item takes about as long as one and a half key
// tiles; the kernel that merges parts about four.
constexpr double kItemCost = 1.5;
constexpr double kMergeCost = 4.0;
constexpr int kLeastPartTiles = 4;

struct Tile {
  AttentionItem item;
  int key_tiles = 0;
  double cost() const { return key_tiles + kItemCost; }
};

std::vector<Tile> MakeTiles(const std::vector<AttentionSegment>& segments, const AttentionShape& shape) {
  std::vector<Tile> tiles;
  for (const AttentionSegment& segment : segments) {
    const int key_tiles = (segment.key_rows + shape.key_tile - 1) / shape.key_tile;
    for (int head = 0; head < shape.heads; ++head) {
      for (int32_t row = 0; row < segment.query_rows; row += shape.query_tile) {
        const int32_t first = segment.query_row + row;
        const int32_t rows = std::min<int32_t>(shape.query_tile, segment.query_rows - row);
        tiles.push_back({{head, first, rows, segment.key_row, segment.key_rows, first}, key_tiles});
      }
    }
  }
  // Longest first; equal ones keep their order, so that processors work on the same head's keys at the same time.
  std::stable_sort(tiles.begin(), tiles.end(), [](const Tile& a, const Tile& b) { return a.key_tiles > b.key_tiles; });
  return tiles;
}

struct Assignment {
  std::vector<std::vector<AttentionItem>> items;  // by processor
  std::vector<double> load;
  double longest() const { return *std::max_element(load.begin(), load.end()); }
};

int LeastLoaded(const std::vector<double>& load) {
  return static_cast<int>(std::min_element(load.begin(), load.end()) - load.begin());
}

Assignment AssignWholeTiles(const std::vector<Tile>& tiles, int processors) {
  Assignment assignment{std::vector<std::vector<AttentionItem>>(processors), std::vector<double>(processors, 0.0)};
  for (const Tile& tile : tiles) {
    const int processor = LeastLoaded(assignment.load);
    assignment.items[processor].push_back(tile.item);
    assignment.load[processor] += tile.cost();
  }
  return assignment;
}

struct PartPlace {
  int processor = 0;
  size_t index = 0;  // into the processor's items
};

struct CutAssignment {
  Assignment assignment;
  std::vector<std::vector<PartPlace>> parts;  // by tile that did not fit whole; a single part is no cut
};

// Whole tiles while they fit under `limit`, then the others in parts over what each processor has left. False when that
// does not suffice.
bool AssignUnder(const std::vector<Tile>& tiles, const AttentionShape& shape, double limit, CutAssignment& out) {
  Assignment& assignment = out.assignment;
  assignment = {std::vector<std::vector<AttentionItem>>(shape.processors), std::vector<double>(shape.processors, 0.0)};
  out.parts.clear();
  std::vector<const Tile*> left;
  for (const Tile& tile : tiles) {
    const int processor = LeastLoaded(assignment.load);
    if (assignment.load[processor] + tile.cost() > limit) {
      left.push_back(&tile);
      continue;
    }
    assignment.items[processor].push_back(tile.item);
    assignment.load[processor] += tile.cost();
  }
  int processor = 0;
  for (const Tile* tile : left) {
    std::vector<PartPlace> parts;
    int done = 0;
    while (done < tile->key_tiles) {
      if (processor == shape.processors) return false;
      const int room = static_cast<int>(std::floor(limit - assignment.load[processor] - kItemCost));
      const int rest = tile->key_tiles - done;
      int taken = std::min(room, rest);
      if (rest - taken > 0 && rest - taken < kLeastPartTiles) taken = rest - kLeastPartTiles;
      if (taken < std::min(kLeastPartTiles, rest)) {
        ++processor;
        continue;
      }
      AttentionItem part = tile->item;
      part.key_row += done * shape.key_tile;
      part.key_rows = std::min(taken * shape.key_tile, tile->item.key_rows - done * shape.key_tile);
      parts.push_back({processor, assignment.items[processor].size()});
      assignment.items[processor].push_back(part);
      assignment.load[processor] += taken + kItemCost;
      done += taken;
    }
    out.parts.push_back(std::move(parts));
  }
  return true;
}

// Gives every further part of a tile rows of its own behind `first_extra_row`; parts of different heads share rows.
void PlaceParts(const AttentionShape& shape, int32_t first_extra_row, CutAssignment& cut, AttentionPlan& plan) {
  std::vector<int32_t> blocks_of_head(shape.heads, 0);
  for (const std::vector<PartPlace>& parts : cut.parts) {
    if (parts.size() == 1) continue;
    const auto item = [&cut](const PartPlace& part) -> AttentionItem& {
      return cut.assignment.items[part.processor][part.index];
    };
    const AttentionItem& first = item(parts.front());
    plan.cut_tiles.push_back({first.head, first.query_row, first.query_rows,
                              static_cast<int32_t>(plan.extra_part_rows.size()),
                              static_cast<int32_t>(parts.size()) - 1});
    for (size_t i = 1; i < parts.size(); ++i) {
      const int32_t row = first_extra_row + blocks_of_head[first.head]++ * shape.query_tile;
      plan.extra_part_rows.push_back(row);
      item(parts[i]).output_row = row;
    }
  }
  plan.extra_rows = *std::max_element(blocks_of_head.begin(), blocks_of_head.end()) * shape.query_tile;
}

void WriteItems(const Assignment& assignment, AttentionPlan& plan) {
  plan.first_item.push_back(0);
  for (const std::vector<AttentionItem>& items : assignment.items) {
    plan.items.insert(plan.items.end(), items.begin(), items.end());
    plan.first_item.push_back(static_cast<int32_t>(plan.items.size()));
  }
}

}  // namespace

AttentionPlan PlanAttention(const std::vector<AttentionSegment>& segments, const AttentionShape& shape,
                            int32_t first_extra_row, int32_t most_extra_rows) {
  AttentionPlan plan;
  const std::vector<Tile> tiles = MakeTiles(segments, shape);
  const Assignment whole = AssignWholeTiles(tiles, shape.processors);
  const double total =
      std::accumulate(tiles.begin(), tiles.end(), 0.0, [](double sum, const Tile& tile) { return sum + tile.cost(); });
  // Each part costs an item more than its share of keys, so the even share is a bound that is reached only nearly.
  CutAssignment cut;
  for (double limit = total / shape.processors; limit + kMergeCost < whole.longest(); limit *= 1.01) {
    if (!AssignUnder(tiles, shape, limit, cut)) continue;
    PlaceParts(shape, first_extra_row, cut, plan);
    if (plan.extra_rows > most_extra_rows) break;
    WriteItems(cut.assignment, plan);
    return plan;
  }
  plan = {};
  WriteItems(whole, plan);
  return plan;
}

}  // namespace videodiffcr::kernels
