#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "model/load/create_video_model.h"
#include "model/plain/rollout/few_step_sampler.h"
#include "tests/system/read_file.h"
#include "tests/training/shallow_model.h"
#include "tests/training/stages/train_in_calls.h"
#include "tests/training/tiny_model.h"
#include "training/evaluation/clip_generator.h"
#include "training/evaluation/evaluation.h"
#include "training/evaluation/plain_sampler.h"
#include "training/model/training_model.h"
#include "training/stages/autoencoder_stage.h"
#include "training/stages/classifier_stage.h"
#include "training/stages/denoiser_stage.h"
#include "training/stages/distillation_stage.h"
#include "training/stages/prompt_router_stage.h"
#include "training/stages/router_stage.h"
#include "training/stages/videodiffcr_stage.h"
#include "training/stages/wording_stage.h"

namespace videodiffcr::training {
namespace {

StageOptions SmallStage(const std::string& output, int64_t steps, int64_t batch) {
  StageOptions stage;
  stage.model = TinyModel();
  stage.output = output;
  stage.steps = steps;
  stage.batch = batch;
  stage.learning_rate = 1e-3;
  return stage;
}

class StagesTest : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);  // beside other tests, threads that wait for each other cost more than they bring
    folder_ = testing::TempDir() + "/stages_test." + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  using MakeStage = std::function<absl::StatusOr<std::unique_ptr<TrainingStage>>(const std::string& output)>;

  void Train(const MakeStage& make, const std::string& name, int64_t max_steps) {
    TrainInCalls([&] { return make(folder_ + "/" + name); }, folder_ + "/run_" + name, max_steps);
  }

  // Two blocks of tiny, for what is no matter of their number.
  std::string ShallowModel() const {
    const std::string model = folder_ + "/shallow";
    const absl::Status written = WriteShallowModel(TinyModel(), 2, model);
    EXPECT_TRUE(written.ok()) << written;
    return model;
  }

  // Whole and in pieces of `piece` steps, a run must end in the same bits; `file` is what it trains of `model`.
  void ExpectResumable(const MakeStage& make, const std::string& file, int64_t piece = 1,
                       const std::string& model = TinyModel()) {
    ASSERT_NO_FATAL_FAILURE(Train(make, "whole", 0));
    ASSERT_NO_FATAL_FAILURE(Train(make, "pieces", piece));
    for (const auto& result : std::filesystem::directory_iterator(folder_ + "/whole")) {
      const std::string name = result.path().filename();
      EXPECT_TRUE(ReadFile(folder_ + "/pieces/" + name) == ReadFile(result.path())) << name;
    }
    EXPECT_TRUE(ReadFile(folder_ + "/run_pieces/checkpoint.safetensors") ==
                ReadFile(folder_ + "/run_whole/checkpoint.safetensors"));
    EXPECT_FALSE(ReadFile(folder_ + "/whole/" + file) == ReadFile(model + "/" + file)) << "nothing was trained";
  }

  std::string folder_;
};

TEST_F(StagesTest, AutoencoderGoesOnExactlyAlsoAcrossTheFreezing) {
  ExpectResumable(
      [](const std::string& output) {
        AutoencoderStageOptions options{.stage = SmallStage(output, 2, 1)};
        options.frames = 5;
        options.frozen_share = 0.5;
        return MakeAutoencoderStage(options);
      },
      "autoencoder.safetensors");
}

TEST_F(StagesTest, ClassifierGoesOnExactly) {
  ExpectResumable(
      [](const std::string& output) {
        return MakeClassifierStage(ClassifierStageOptions{.stage = SmallStage(output, 2, 2)});
      },
      "classifier.safetensors");
}

TEST_F(StagesTest, WordingGoesOnExactly) {
  ExpectResumable(
      [](const std::string& output) {
        return MakeWordingStage(WordingStageOptions{.stage = SmallStage(output, 3, 4)});
      },
      "text_encoder.safetensors");
}

TEST_F(StagesTest, RoutersGoOnExactly) {
  ExpectResumable(
      [](const std::string& output) {
        return MakeRouterStage(RouterStageOptions{.stage = SmallStage(output, 2, 1), .min_chunks = 1, .max_chunks = 2});
      },
      "routers.safetensors");
}

TEST_F(StagesTest, RoutersOfPromptsGoOnExactly) {
  std::filesystem::create_directories(folder_);
  std::ofstream(folder_ + "/prompts.txt") << "a red circle moves right\na blue star\na green square bounces\n";
  const auto make = [this](const std::string& output) {
    PromptRouterOptions options;
    options.stage = SmallStage(output, 3, 2);
    options.run_folder = output + "_kept";
    options.min_chunks = options.max_chunks = 1;
    options.prompts.file = folder_ + "/prompts.txt";
    options.prompts.measure_every = 2;
    return MakePromptRouterStage(options);
  };
  ASSERT_NO_FATAL_FAILURE(ExpectResumable(make, "routers.safetensors"));
  EXPECT_TRUE(ReadFile(folder_ + "/whole_kept/held_out.csv") == ReadFile(folder_ + "/pieces_kept/held_out.csv"));
}

TEST_F(StagesTest, DistillationGoesOnExactly) {
  const std::string model = ShallowModel();
  ExpectResumable(
      [&](const std::string& output) {
        DistillationStageOptions options{.stage = SmallStage(output, 2, 1)};
        options.stage.model = options.distillation.teacher = model;
        options.distillation.critic_only_steps = 1;
        options.distillation.warmup_steps = 1;
        options.routed_share = 1;
        return MakeDistillationStage(options);
      },
      "transformer.safetensors", 1, model);
}

// All three of its stages: routers alone, everything, tables fixed.
TEST_F(StagesTest, VideodiffcrGoesOnExactlyAndServesWhatThePlainPathOfItsFolderMakes) {
  const std::string model = ShallowModel();
  const auto make = [&](const std::string& output) {
    VideodiffcrStageOptions options{.stage = SmallStage(output, 6, 1)};
    options.stage.model = model;
    options.distillation.critic_only_steps = 1;
    options.student.targets = {0.7, 0.5};
    options.student.ratio_learning_rate = 0.05;
    return MakeVideodiffcrStage(options);
  };
  ASSERT_NO_FATAL_FAILURE(ExpectResumable(make, "routers.safetensors", 4, model));
  const std::string output = folder_ + "/whole";
  const auto served = CreateVideoModel({output, "cpu", 1});
  ASSERT_TRUE(served.ok()) << served.status();
  std::vector<RetentionTenths> budgets;
  for (const RetentionBudget& budget : (*served)->info().budgets) budgets.push_back(budget.tenths);
  EXPECT_EQ(budgets, (std::vector<RetentionTenths>{10, 7, 5}));
  const PlainSampler plain = PlainSampler::Load(output, at::kCPU).value();
  for (const RetentionTenths budget : {7, 5}) {
    const std::vector<ClipRequest> request = {{{{0, "a large red circle moves right fast"}}, 5, budget, 2}};
    const at::Tensor of_server = MakeClips(ServedClips(**served, plain.config()), {}, request).value();
    const at::Tensor expected = plain.Generate(request, TokenRanking::kRouter, 1).value();
    EXPECT_LT((of_server - expected).abs().max().item<double>(), 1.5 / 255) << budget;
  }
}

// What is exported is the student: gates folded into the scores, ratios projected to the table. The shipped weights are
// fp16 already, so nothing is lost on the way.
TEST_F(StagesTest, AnExportedStudentServesTheVideoOfItsOwnForwardPass) {
  const auto model = std::make_shared<TrainingModel>(LoadTrainingModel(TinyModel(), at::kCPU).value());
  VideodiffcrOptions options;
  options.initial_ratios = {0.83, 0.58};
  const std::shared_ptr<VideodiffcrStudent> student = VideodiffcrStudent::Make(options, TinyModel(), 1, *model).value();
  const StudentExport result = student->Export();
  const std::string output = folder_ + "/exported";
  ASSERT_TRUE(WriteStageResult(*MakeWordingStage({SmallStage(output, 1, 1)}).value(), SmallStage(output, 1, 1),
                               result.files, result.remark, result.config)
                  .ok());
  const auto served = CreateVideoModel({output, "cpu", 1});
  ASSERT_TRUE(served.ok()) << served.status();
  const std::vector<ClipRequest> request = {{{{0, "a large red circle moves right fast"}}, 5, 7, 2}};
  const at::Tensor of_server = MakeClips(ServedClips(**served, model->config), {}, request).value();
  const at::Tensor of_student = PlainSampler(model, student).Generate(request, TokenRanking::kRouter, 1).value();
  EXPECT_LT((of_server - of_student).abs().max().item<double>(), 1.5 / 255);
}

TEST_F(StagesTest, LeavesTheTextEncoderAloneWhenAsked) {
  const auto make = [](const std::string& output) {
    DenoiserStageOptions options{.stage = SmallStage(output, 1, 1)};
    options.pool = 1;
    options.warmup_steps = 0;
    options.continue_weights = true;
    options.train_text = false;
    return MakeDenoiserStage(options);
  };
  ASSERT_NO_FATAL_FAILURE(Train(make, "whole", 0));
  EXPECT_TRUE(ReadFile(folder_ + "/whole/text_encoder.safetensors") ==
              ReadFile(TinyModel() + "/text_encoder.safetensors"));
  EXPECT_FALSE(ReadFile(folder_ + "/whole/transformer.safetensors") ==
               ReadFile(TinyModel() + "/transformer.safetensors"));
}

TEST_F(StagesTest, RoutersLearnToPredictTheUpdates) {
  RouterStageOptions options{.stage = SmallStage(folder_ + "/out", 18, 1), .min_chunks = 1, .max_chunks = 1};
  options.stage.learning_rate = 0.02;
  const auto stage = MakeRouterStage(options);
  ASSERT_TRUE(stage.ok()) << stage.status();
  double first = 0, last = 0;
  for (int64_t step = 0; step < options.stage.steps; ++step) {
    const auto result = (*stage)->Step(step);
    ASSERT_TRUE(result.ok()) << result.status();
    if (step < 3) first += result->loss / 3;
    if (step >= options.stage.steps - 3) last += result->loss / 3;
  }
  EXPECT_NEAR(first, 1.0, 0.1) << "standardised targets, scores near zero";
  EXPECT_LT(last, 0.85);
}

// What is trained is what is served: a folder made by training gives the same video on the plain path and behind the
// seam.
TEST_F(StagesTest, ServesTheVideoThatThePlainPathOfTheTrainedModelMakes) {
  const auto make = [](const std::string& output) {
    DenoiserStageOptions options{.stage = SmallStage(output, 2, 1)};
    options.pool = 1;
    options.warmup_steps = 0;
    options.continue_weights = true;
    return MakeDenoiserStage(options);
  };
  ASSERT_NO_FATAL_FAILURE(ExpectResumable(make, "transformer.safetensors"));
  const std::string output = folder_ + "/whole", prompt = "a large red circle moves right fast";
  constexpr uint64_t kSeed = 5;
  constexpr int64_t kChunks = 2;

  const auto served_model = CreateVideoModel({output, "cpu", 2});
  ASSERT_TRUE(served_model.ok()) << served_model.status();
  const auto served = GenerateClips(**served_model, {{{{0, prompt}}, kSeed, kDenseTenths, kChunks}});
  ASSERT_TRUE(served.ok()) << served.status();

  const c10::NoGradGuard no_gradients;
  const TrainingModel trained = LoadTrainingModel(output, at::kCPU).value();
  RolloutState state(trained.config.transformer);
  state.text = MakeTextKeys(trained.transformer, EncodeCaptions(trained, {prompt}).value());
  const RetentionTable dense = DenseRetentionTable(trained.config.transformer.num_layers, 4);
  std::vector<at::Tensor> memories;
  for (int64_t chunk = 0; chunk < kChunks; ++chunk) {
    const SampledChunk sampled = SampleChunk(trained.transformer, {trained.schedule}, dense,
                                             DrawChunkNoise(trained.transformer, kSeed, chunk, 4), &state);
    const at::Tensor pixels = DecodePixelShuffleTaehv(trained.decoder, sampled.latents, &memories);
    const at::Tensor frames = pixels.narrow(1, chunk == 0 ? 3 : 0, chunk == 0 ? 9 : 12).clamp(0, 1);
    const at::Tensor of_server = FramesToTensor({(*served)[0][chunk]});
    // One step of 255, and half a step of rounding.
    EXPECT_LT((frames - of_server).abs().max().item<double>(), 1.5 / 255) << chunk;
  }
}

// What a run was started with is in its checkpoint, every option of every stage: the same folder with another value is
// refused by name, not gone on with.
TEST_F(StagesTest, ARunDoesNotGoOnWithOtherSettings) {
  const auto differing = [](const TrainingStage& one, const TrainingStage& other) {
    std::vector<std::string> names;
    for (const auto& [name, value] : one.settings()) {
      if (other.settings().at(name) != value) names.push_back(name);
    }
    return names;
  };
  using Names = std::vector<std::string>;
  const StageOptions stage = SmallStage(folder_ + "/out", 2, 1);
  const auto routers = [&](RouterStageOptions options) { return MakeRouterStage(options).value(); };
  EXPECT_EQ(differing(*routers({stage, 1, 2}), *routers({stage, 1, 3})), Names{"chunks"});
  const auto wording = [&](double share) { return MakeWordingStage({stage, share}).value(); };
  EXPECT_EQ(differing(*wording(0.3), *wording(0.4)), Names{"known share"});
  const auto distill = [&](int64_t warmup) {
    DistillationStageOptions options{.stage = stage};
    options.distillation.warmup_steps = warmup;
    return MakeDistillationStage(options).value();
  };
  EXPECT_EQ(differing(*distill(1), *distill(2)), Names{"warm-up"});
  StageOptions elsewhere = stage;
  elsewhere.model += "/.";
  EXPECT_EQ(differing(*routers({stage}), *routers({elsewhere})), Names{"model"});
  EXPECT_EQ(routers({stage})->settings().at("device"), "cpu");
}

TEST_F(StagesTest, ARunDoesNotGoOnWithOtherWeightsUnderTheSamePath) {
  const std::string teacher = folder_ + "/teacher";
  std::filesystem::create_directories(teacher);
  const auto put = [&](const std::string& file, const std::string& of) {
    std::filesystem::copy_file(of + "/" + file, teacher + "/" + file,
                               std::filesystem::copy_options::overwrite_existing);
  };
  put("config.json", TinyModel());
  const auto settings_with = [&](const std::string& transformer_of) {
    put("transformer.safetensors", transformer_of);
    DistillationStageOptions options{.stage = SmallStage(folder_ + "/out", 2, 1)};
    options.distillation.teacher = teacher;
    return MakeDistillationStage(options).value()->settings();
  };
  std::map<std::string, std::string> one = settings_with(TinyModel()), other = settings_with(TinyTeacher());
  EXPECT_NE(one["weights of the teacher"], other["weights of the teacher"]);
  other["weights of the teacher"] = one["weights of the teacher"];
  EXPECT_EQ(one, other);
  EXPECT_EQ(one, settings_with(TinyModel()));
}

TEST_F(StagesTest, SaysWhatIsWrongWithItsInput) {
  RouterStageOptions missing{.stage = SmallStage(folder_ + "/out", 1, 1)};
  missing.stage.model = folder_ + "/nowhere";
  EXPECT_NE(std::string(MakeRouterStage(missing).status().message()).find("nowhere"), std::string::npos);
  RouterStageOptions device{.stage = SmallStage(folder_ + "/out", 1, 1)};
  device.stage.device = "abacus";
  EXPECT_NE(std::string(MakeRouterStage(device).status().message()).find("abacus"), std::string::npos);
  AutoencoderStageOptions frames{.stage = SmallStage(folder_ + "/out", 1, 1)};
  frames.frames = 6;
  EXPECT_NE(std::string(MakeAutoencoderStage(frames).status().message()).find("--frames 6"), std::string::npos);
}

}  // namespace
}  // namespace videodiffcr::training
