#include "training/evaluation/identity_drift.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "system/steady_time.h"
#include "training/evaluation/object_view.h"
#include "training/run/tensor_numbers.h"

namespace videodiffcr::training {
namespace {

// What a window of four chunks shows.
struct WindowLook {
  std::vector<AttributeValues> read;
  at::Tensor features;
  std::vector<double> area, hue;
};

WindowLook LookAtWindow(const ClassifierWeights& classifier, const ClipPainter& painter, const at::Tensor& frames) {
  const at::Tensor nine = ReadFrames(frames);
  WindowLook look;
  look.read = ReadAttributes(classifier, nine);
  const ObjectLook object = LookAtObject(classifier, nine, PaintBackgrounds(painter, look.read));
  look.features = object.features;
  look.area = NumbersOf(object.area);
  look.hue = NumbersOf(object.hue);
  return look;
}

void RecordDrift(const ClipBatch& batch, const WindowLook& start, const WindowLook& now, JudgedClips* judged) {
  std::vector<ClipRecord> records = RecordAttributes(batch, now.read);
  const std::vector<double> likeness = NumbersOf((start.features * now.features).sum(1));
  for (size_t i = 0; i < records.size(); ++i) {
    ClipRecord& record = records[i];
    record.values[kFlipped] = IsFlipped(record.prompted, start.read[i], now.read[i]);
    record.values[kIdentityDistance] = 1 - likeness[i];
    record.values[kHueShift] = HueDifference(start.hue[i], now.hue[i]);
    if (start.area[i] < kLeastObjectPixels || now.area[i] < kLeastObjectPixels) continue;
    record.values[kAreaChange] = std::abs(std::log2(now.area[i] / start.area[i]));
  }
  judged->clips.insert(judged->clips.end(), records.begin(), records.end());
}

// The share of flips among clips that leave `attribute` open; counts them.
Share FlipsOf(const std::vector<ClipRecord>& clips, Attribute attribute) {
  Share share;
  for (const ClipRecord& clip : clips) {
    if (clip.prompted[attribute] >= 0) continue;
    ++share.asked;
    share.right += clip.values[kFlipped] == 1;
  }
  return share;
}

}  // namespace

bool IsFlipped(const AttributeValues& prompted, const AttributeValues& start, const AttributeValues& now) {
  for (size_t i = 0; i < prompted.size(); ++i) {
    if (prompted[i] < 0 && start[i] != now[i]) return true;
  }
  return false;
}

double HueDifference(double first, double second) {
  const double difference = std::fmod(std::abs(first - second), 360.0);
  return std::min(difference, 360 - difference);
}

absl::StatusOr<std::vector<JudgedClips>> EvaluateDrift(const ClipSource& source, const ClassifierWeights& classifier,
                                                       const EvaluationCondition& condition,
                                                       const EvaluationSettings& settings,
                                                       const EvaluationProgress& progress) {
  std::vector<JudgedClips> drift(kDriftEnds.size());
  std::vector<int64_t> windows = {kDriftStart};
  for (size_t i = 0; i < drift.size(); ++i) {
    drift[i].group = GroupOf(source, condition, settings);
    absl::StrAppend(&drift[i].group.condition, "-", kDriftEnds[i]);
    windows.push_back(kDriftEnds[i]);
  }
  const ClipPainter painter(classifier.features.weight.device());
  QualityRow row;
  row.condition = condition.name;
  const absl::Time begun = SteadyNow();
  for (int64_t begin = 0; begin < settings.clips; begin += source.side_by_side) {
    const ClipBatch batch = MakeBatch(condition, settings, begin, source.side_by_side);
    WindowLook start;
    const auto judge = [&](int64_t end, const at::Tensor& frames) {
      WindowLook look = LookAtWindow(classifier, painter, frames);
      if (end == kDriftStart) {
        start = std::move(look);
        return;
      }
      const size_t at = static_cast<size_t>(std::find(kDriftEnds.begin(), kDriftEnds.end(), end) - kDriftEnds.begin());
      RecordDrift(batch, start, look, &drift[at]);
      if (end != kDriftEnds.back()) return;
      for (size_t i = 0; i < look.read.size(); ++i) AddClip(batch.clips[i].prompted, look.read[i], row);
    };
    const absl::Status made = JudgeWindows(source, condition, batch.requests(), windows, judge);
    if (!made.ok()) return made;
    row.seconds = absl::ToDoubleSeconds(SteadyNow() - begun);
    progress(row);
  }
  return drift;
}

std::string FormatDrift(const std::string& condition, const std::vector<JudgedClips>& drift) {
  std::string out;
  for (const JudgedClips& judged : drift) {
    const ColumnMeans means = MeansOf(judged.clips);
    const int64_t flips = std::llround(means[kFlipped] * static_cast<double>(judged.clips.size()));
    const Share all = {flips, static_cast<int64_t>(judged.clips.size())};
    absl::StrAppendFormat(&out, "%s, %s: n %d, flipped %.3f +- %.3f", condition, judged.group.condition, all.asked,
                          all.value(), all.standard_error());
    for (const Attribute attribute : {kSize, kColor, kBackgroundColor}) {
      const Share share = FlipsOf(judged.clips, attribute);
      absl::StrAppendFormat(&out, "%s%s %.3f +- %.3f", attribute == kSize ? " (" : ", ", AttributeName(attribute),
                            share.value(), share.standard_error());
    }
    absl::StrAppendFormat(&out, "), distance %.4f, hue %.1f degrees, area %.3f octaves\n", means[kIdentityDistance],
                          means[kHueShift], means[kAreaChange]);
  }
  return out;
}

}  // namespace videodiffcr::training
