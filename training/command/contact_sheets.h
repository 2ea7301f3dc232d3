// A model's example prompts as pictures: one sheet per budget.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_CONTACT_SHEETS_H_
#define VIDEODIFFCR_TRAINING_COMMAND_CONTACT_SHEETS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "model/api/video_model.h"

namespace videodiffcr::training {

struct ContactSheetsOptions {
  std::string folder;
  std::string only;  // budgets whose name contains it
  uint64_t seed = 1;
};

// FOLDER/NAME_07.png and so on: a row of frames per prompt, the same noise on every sheet.
absl::Status WriteContactSheets(const ContactSheetsOptions& options, VideoModel& model);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_CONTACT_SHEETS_H_
