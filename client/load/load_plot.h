// A load as a picture: every chunk's slack over time, and how many sessions ran.
#ifndef VIDEODIFFCR_CLIENT_LOAD_LOAD_PLOT_H_
#define VIDEODIFFCR_CLIENT_LOAD_LOAD_PLOT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/load/load_result.h"
#include "media/rgb_image.h"

namespace videodiffcr {

// Above: slack in seconds, blue in time, red late. Below: sessions at once.
RgbImage DrawLoad(const std::vector<ViewerOutcome>& outcomes, const std::string& title);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CLIENT_LOAD_LOAD_PLOT_H_
