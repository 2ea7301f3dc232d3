#include "training/command/contact_sheets.h"

#include <iostream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "media/contact_sheet.h"
#include "media/png_file.h"
#include "training/evaluation/clip_generator.h"
#include "training/evaluation/evaluation_condition.h"

namespace videodiffcr::training {
namespace {

std::vector<VideoFrame> SpreadOverClip(const std::vector<FrameChunk>& chunks, int count, int frames_per_second) {
  int64_t total = 0;
  for (const FrameChunk& chunk : chunks) total += chunk.frame_count;
  std::vector<VideoFrame> picked;
  for (const int64_t index : SpreadFrames(total, count)) {
    int64_t at = index;
    size_t chunk = 0;
    while (at >= chunks[chunk].frame_count) at -= chunks[chunk++].frame_count;
    const size_t bytes = static_cast<size_t>(chunks[chunk].width) * chunks[chunk].height * 3;
    const auto begin = chunks[chunk].pixels.begin() + static_cast<int64_t>(bytes) * at;
    VideoFrame frame;
    frame.image = {chunks[chunk].width, chunks[chunk].height, std::vector<uint8_t>(begin, begin + bytes)};
    frame.seconds = static_cast<double>(index) / frames_per_second;
    picked.push_back(std::move(frame));
  }
  return picked;
}

}  // namespace

absl::Status WriteContactSheets(const ContactSheetsOptions& options, VideoModel& model) {
  constexpr int kColumns = 6;
  constexpr int64_t kChunks = 8;
  const ModelInfo& info = model.info();
  for (const RetentionBudget& budget : info.budgets) {
    if (!absl::StrContains(BudgetName(budget.tenths), options.only)) continue;
    ContactSheetOptions sheet;
    sheet.columns = kColumns;
    sheet.captions = {absl::StrFormat("%s, retention %.1f (executed %.3f), %d chunks, seed %d", info.name,
                                      budget.tenths / 10.0, budget.executed, kChunks, options.seed)};
    std::vector<ClipRequest> requests;
    for (const std::string& prompt : info.example_prompts) {
      sheet.captions.push_back(prompt);
      requests.push_back({{{0, prompt}}, options.seed + requests.size(), budget.tenths, kChunks});
    }
    const absl::StatusOr<std::vector<std::vector<FrameChunk>>> clips = GenerateClips(model, requests);
    if (!clips.ok()) return clips.status();
    std::vector<VideoFrame> frames;
    for (const std::vector<FrameChunk>& clip : *clips) {
      for (VideoFrame& frame : SpreadOverClip(clip, kColumns, info.frames_per_second)) {
        frames.push_back(std::move(frame));
      }
    }
    const std::string path = absl::StrFormat("%s/%s_%02d.png", options.folder, info.name, budget.tenths);
    if (absl::Status written = WritePng(TileFrames(frames, sheet), path); !written.ok()) return written;
    std::cerr << path << "\n";
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr::training
