// The time that goes on at its pace whatever is done to the wall clock (NTP, an operator, a virtual machine that
// wakes): for what is measured and waited for. Only a log line says what the wall's clock says.
#ifndef VIDEODIFFCR_SYSTEM_STEADY_TIME_H_
#define VIDEODIFFCR_SYSTEM_STEADY_TIME_H_

#include <chrono>

#include "absl/time/time.h"

namespace videodiffcr {

// Where it counts from is arbitrary: an absl::Time so that a mix-up with a duration does not compile.
inline absl::Time SteadyNow() {
  return absl::UnixEpoch() + absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_STEADY_TIME_H_
