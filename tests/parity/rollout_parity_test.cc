// Golden rollouts, made by the public reference (dense) and by an independent float64 implementation (routed).
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/weights/safetensors_writer.h"
#include "parity/parity_case.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

class GoldenRollout : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenRollout, IsReproducedByThePlainPath) {
  const SafetensorsReader file = *SafetensorsReader::Open(GetParam());
  const absl::StatusOr<CaseOutputs> ours = RunCase(file, NetworkPath::kPlain, at::kCPU);
  ASSERT_TRUE(ours.ok()) << ours.status();
  const std::vector<OutputComparison> comparisons = CompareOutputs(file, *ours);
  EXPECT_GE(comparisons.size(), 3);
  for (const OutputComparison& output : comparisons) {
    EXPECT_TRUE(output.passed) << output.name << ": max abs error " << output.max_abs_error;
    EXPECT_LE(output.max_abs_error, 1e-5) << output.name << ": far above rounding";
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenRollout,
                         ::testing::Values("tests/golden/rollout_dense.safetensors",
                                           "tests/golden/rollout_dense_window6_sink1.safetensors",
                                           "tests/golden/rollout_frame_wise.safetensors",
                                           "tests/golden/rollout_frame_wise_two_step_pruned.safetensors",
                                           "tests/golden/rollout_prompt_switch.safetensors",
                                           "tests/golden/rollout_pruned_mode_a.safetensors",
                                           "tests/golden/rollout_pruned_mode_b.safetensors",
                                           "tests/golden/rollout_pruned_mode_d.safetensors",
                                           "tests/golden/rollout_two_step.safetensors"));

// A golden case with changes.
class ChangedCase : public ::testing::Test {
 protected:
  ChangedCase() : golden_(*SafetensorsReader::Open("tests/golden/rollout_pruned_mode_a.safetensors")) {
    for (const auto& [name, entry] : golden_.tensors()) tensors_[name] = entry;
    metadata_ = golden_.metadata();
  }

  absl::StatusOr<SafetensorsReader> Write() {
    const std::string path = ::testing::TempDir() + "/case_" + std::to_string(getpid()) + ".safetensors";
    const absl::Status status = WriteSafetensors(path, tensors_, metadata_);
    if (!status.ok()) return status;
    absl::StatusOr<SafetensorsReader> file = SafetensorsReader::Open(path);
    unlink(path.c_str());
    return file;
  }

  std::string Error() {
    const absl::StatusOr<SafetensorsReader> file = Write();
    EXPECT_TRUE(file.ok()) << file.status();
    const absl::StatusOr<CaseOutputs> ours = RunCase(*file, NetworkPath::kPlain, at::kCPU);
    EXPECT_FALSE(ours.ok());
    EXPECT_THAT(std::string(ours.status().message()), HasSubstr(file->path()));
    return std::string(ours.status().message());
  }

  SafetensorsReader golden_;
  std::map<std::string, TensorEntry> tensors_;
  std::map<std::string, std::string> metadata_;
};

TEST_F(ChangedCase, AMistakenSettingIsNamed) {
  const std::pair<const char*, const char*> mistakes[] = {{"shift", "five"},
                                                          {"shift", "-1"},
                                                          {"shift", "nan"},
                                                          {"window_frames", "2"},
                                                          {"sink_frames", "x"},
                                                          {"kv_mode", "some"},
                                                          {"ctx_mode", "compact"},
                                                          {"latent_hw", "[8]"},
                                                          {"latent_hw", "]"},
                                                          {"switch_at_chunk", ""},
                                                          {"rope_positions", "none"},
                                                          {"config", "{"},
                                                          {"denoise_steps", "[]"},
                                                          {"denoise_steps", "[1000, x]"},
                                                          {"denoise_steps", "4"},
                                                          {"denoise_steps", "[500, 1000]"},
                                                          {"denoise_steps", "[\"a\"]"}};
  for (const auto& [key, value] : mistakes) {
    metadata_ = golden_.metadata();
    metadata_[key] = value;
    EXPECT_THAT(Error(), HasSubstr(key));
  }
}

TEST_F(ChangedCase, AMissingOrMisshapenInputIsNamed) {
  for (const char* name : {"in.noise", "in.renoise", "in.prompt", "weights.blocks.1.router.mix"}) {
    tensors_.erase(name);
    EXPECT_THAT(Error(), HasSubstr(name));
    tensors_[name] = golden_.tensors().at(name);
    tensors_[name].shape.push_back(1);
    EXPECT_THAT(Error(), HasSubstr(name));
    tensors_[name] = golden_.tensors().at(name);
  }
}

TEST_F(ChangedCase, ARetentionTableOutOfRangeIsAnError) {
  const std::vector<uint8_t> elevens(20, 11);
  tensors_["in.retention_table"].data = elevens.data();
  EXPECT_THAT(Error(), HasSubstr("in.retention_table holds 11"));
}

TEST_F(ChangedCase, AnUnknownKindIsAnError) {
  metadata_["kind"] = "poem";
  EXPECT_THAT(Error(), HasSubstr("poem"));
  metadata_.erase("kind");
  EXPECT_THAT(Error(), HasSubstr("kind"));
}

TEST_F(ChangedCase, AnOutputThatDiffersOrThatWeDoNotHaveFails) {
  std::vector<uint8_t> changed(tensors_["out.latents"].data,
                               tensors_["out.latents"].data + tensors_["out.latents"].bytes);
  changed[3] ^= 0x40;  // the first value's exponent
  tensors_["out.latents"].data = changed.data();
  tensors_["out.unheard_of"] = tensors_["out.cache_k_last_layer"];
  const SafetensorsReader file = *Write();
  int failed = 0;
  for (const OutputComparison& output : CompareOutputs(file, *RunCase(file, NetworkPath::kPlain, at::kCPU))) {
    const bool should_fail = output.name == "out.latents" || output.name == "out.unheard_of";
    EXPECT_EQ(output.passed, !should_fail) << output.name;
    failed += output.passed ? 0 : 1;
  }
  EXPECT_EQ(failed, 2);
}

}  // namespace
}  // namespace videodiffcr
