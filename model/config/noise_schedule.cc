#include "model/config/noise_schedule.h"

#include <cmath>
#include <cstddef>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

constexpr int kTableEntries = 1000;

// linspace(1, 0, 1001)[i] in fp32: counted from the nearer end, as the reference's framework does.
float LinearEntry(int i) {
  const float step = 1.0f / static_cast<float>(kTableEntries);
  return i <= kTableEntries / 2 ? 1.0f - step * static_cast<float>(i) : step * static_cast<float>(kTableEntries - i);
}

}  // namespace

NoiseSchedule::NoiseSchedule(double shift) {
  const float k = static_cast<float>(shift);
  for (int i = 0; i < kTableEntries; ++i) {
    const float s = LinearEntry(i);
    sigmas_.push_back(k * s / (1.0f + (k - 1.0f) * s));
    timesteps_.push_back(1000.0f * sigmas_.back());
  }
}

float NoiseSchedule::WarpedTimestep(int nominal) const {
  return nominal == 0 ? 0.0f : timesteps_[kTableEntries - nominal];
}

float NoiseSchedule::Sigma(float timestep) const {
  size_t nearest = 0;
  for (size_t i = 1; i < timesteps_.size(); ++i) {
    if (std::abs(timesteps_[i] - timestep) < std::abs(timesteps_[nearest] - timestep)) nearest = i;
  }
  return sigmas_[nearest];
}

std::vector<float> StepSchedule::timesteps_and_context() const {
  std::vector<float> all = timesteps;
  all.push_back(0.0f);
  return all;
}

absl::StatusOr<StepSchedule> MakeStepSchedule(const SamplingConfig& sampling) {
  const NoiseSchedule table(sampling.shift);
  StepSchedule schedule;
  double before = 1001;
  for (const double nominal : sampling.denoise_steps) {
    if (nominal != std::floor(nominal) || nominal < 1 || nominal > 1000 || nominal >= before) {
      return absl::InvalidArgumentError(
          absl::StrCat("sampling.denoise_steps: ", nominal,
                       "; steps must be whole numbers from 1000 down to 1, each below the one before"));
    }
    before = nominal;
    schedule.timesteps.push_back(table.WarpedTimestep(static_cast<int>(nominal)));
    schedule.sigmas.push_back(table.Sigma(schedule.timesteps.back()));
  }
  return schedule;
}

}  // namespace videodiffcr
