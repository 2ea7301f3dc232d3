#include "training/run/part_times.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "system/steady_time.h"

namespace videodiffcr::training {
namespace {

void Wait(c10::Device device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

// GiB that tensors had at most since the last call; 0 where nobody counts them.
double TakeMostMemory(c10::Device device) {
  if (device.is_cpu()) return 0;
  auto* const allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(device.type()));
  if (allocator == nullptr || !allocator->initialized()) return 0;
  const int64_t bytes = allocator->getDeviceStats(device.index()).allocated_bytes[0].peak;
  allocator->resetPeakStats(device.index());
  return static_cast<double>(bytes) / static_cast<double>(int64_t{1} << 30);
}

}  // namespace

void PartTimes::BeginStep() {
  if (!on_) return;
  Wait(device_);
  TakeMostMemory(device_);
  step_.clear();
  ++steps_;
  last_ = SteadyNow();
}

void PartTimes::End(const char* part) {
  if (!on_) return;
  Wait(device_);
  const absl::Time now = SteadyNow();
  const double seconds = absl::ToDoubleSeconds(now - last_), gib = TakeMostMemory(device_);
  Add(part, seconds, gib, &step_);
  if (steps_ > 1) Add(part, seconds, gib, &all_);
  last_ = now;
}

std::string PartTimes::StepLine() const { return Line(step_, 1); }

std::string PartTimes::MeanLine() const { return Line(all_, steps_ - 1); }

void PartTimes::Add(const char* name, double seconds, double gib, std::vector<Part>* parts) {
  auto part =
      std::find_if(parts->begin(), parts->end(), [&](const Part& one) { return std::strcmp(one.name, name) == 0; });
  if (part == parts->end()) part = parts->insert(part, {name});
  part->seconds += seconds;
  part->most_gib = std::max(part->most_gib, gib);
}

std::string PartTimes::Line(const std::vector<Part>& parts, double steps) {
  std::string line;
  double seconds = 0, most = 0;
  for (const Part& part : parts) {
    absl::StrAppend(&line, absl::StrFormat("%s %.3f s", part.name, part.seconds / steps),
                    part.most_gib > 0 ? absl::StrFormat(" (%.1f GiB)", part.most_gib) : "", ", ");
    seconds += part.seconds / steps;
    most = std::max(most, part.most_gib);
  }
  if (line.empty()) return line;
  return absl::StrCat(line, absl::StrFormat("all %.3f s", seconds),
                      most > 0 ? absl::StrFormat(" (%.1f GiB)", most) : "");
}

}  // namespace videodiffcr::training
