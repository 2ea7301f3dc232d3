// What code throws that is not ours to change, as a status where it can be told whose it is.
#ifndef VIDEODIFFCR_SYSTEM_GUARDED_H_
#define VIDEODIFFCR_SYSTEM_GUARDED_H_

#include <exception>
#include <new>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace videodiffcr {

// A status with this message; without it where there is no memory for it.
inline absl::Status StatusOf(absl::StatusCode code, absl::string_view message) noexcept {
  try {
    return absl::Status(code, message);
  } catch (const std::bad_alloc&) {
    return absl::Status(code, "");
  }
}

// A status with the words `what` and `why`; without words where there is no memory for them either.
inline absl::Status FailureOf(absl::StatusCode code, absl::string_view what, absl::string_view why) noexcept {
  try {
    return absl::Status(code, absl::StrCat(what, ": ", why));
  } catch (const std::bad_alloc&) {
    return absl::Status(code, "");
  }
}

// What `work` returns, an absl::Status or StatusOr; OK when it returns nothing. When it throws instead:
// ResourceExhausted for want of memory, Internal otherwise, with `what` ("encoding the chunk") in front.
template <typename Work>
auto Guarded(absl::string_view what, const Work& work)
    -> std::conditional_t<std::is_void_v<decltype(work())>, absl::Status, decltype(work())> {
  try {
    if constexpr (std::is_void_v<decltype(work())>) {
      work();
      return absl::OkStatus();
    } else {
      return work();
    }
  } catch (const std::bad_alloc&) {
    return FailureOf(absl::StatusCode::kResourceExhausted, what, "no memory");
  } catch (const std::exception& error) {
    return FailureOf(absl::StatusCode::kInternal, what, error.what());
  }
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SYSTEM_GUARDED_H_
