// videodiffcr-train STAGE: one subcommand per stage, the same flags for all but a few.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_TRAIN_COMMAND_H_
#define VIDEODIFFCR_TRAINING_COMMAND_TRAIN_COMMAND_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace videodiffcr::training {

std::string AutoencoderHelp();
absl::Status RunAutoencoder(const std::vector<std::string_view>& arguments);
std::string ClassifierHelp();
absl::Status RunClassifier(const std::vector<std::string_view>& arguments);
std::string DenoiserHelp();
absl::Status RunDenoiser(const std::vector<std::string_view>& arguments);
std::string DistillHelp();
absl::Status RunDistill(const std::vector<std::string_view>& arguments);
std::string RoutersHelp();
absl::Status RunRouters(const std::vector<std::string_view>& arguments);
std::string VideodiffcrHelp();
absl::Status RunVideodiffcr(const std::vector<std::string_view>& arguments);
std::string WordingHelp();
absl::Status RunWording(const std::vector<std::string_view>& arguments);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_TRAIN_COMMAND_H_
