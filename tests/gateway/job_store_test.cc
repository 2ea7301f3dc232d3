#include "gateway/jobs/job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "client/call_status.h"
#include "gateway/jobs/job_runner.h"
#include "tests/fakes/manual_clock.h"
#include "tests/system/read_file.h"
#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

namespace fs = std::filesystem;

class JobStoreTest : public ::testing::Test {
 protected:
  JobStoreTest() : metrics_(&registry_) {
    options_.folder = folder_.Path("jobs");
    options_.max_bytes = 100;
    options_.max_jobs = 3;
    options_.keep = absl::Seconds(50);
    Open();
  }

  void Open() {
    store_ = nullptr;
    auto store = JobStore::Open(
        options_, [this] { return now_; }, &clock_, &metrics_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  std::string Add(const std::string& owner = "me") {
    JobRequest request;
    request.prompt = "a \"red\" circle";
    const auto job = store_->Add(request, owner);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->id : "";
  }

  std::string AddCompleted(const std::string& bytes) {
    const std::string id = Add();
    EXPECT_TRUE(store_->SetProgress(id, 1, 7));
    EXPECT_TRUE(store_->Write(id, bytes).ok());
    EXPECT_TRUE(store_->Complete(id));
    Pass(1);
    return id;
  }

  // Of both clocks.
  void Pass(int64_t seconds) {
    now_ += seconds;
    clock_.Advance(absl::Seconds(seconds));
  }

  bool Has(const std::string& id) { return store_->Get(id, "me").ok(); }

  int FilesLeft() {
    return static_cast<int>(std::distance(fs::directory_iterator(options_.folder), fs::directory_iterator()));
  }

  TemporaryFolder folder_;
  prometheus::Registry registry_;
  GatewayMetrics metrics_;
  JobStoreOptions options_;
  int64_t now_ = 1000;
  ManualClock clock_;
  std::unique_ptr<JobStore> store_;
};

TEST_F(JobStoreTest, AFinishedJobIsStillThereAfterARestartAndAnUnfinishedOneHasFailed) {
  const std::string finished = AddCompleted("bytes");
  const std::string unfinished = Add();
  ASSERT_TRUE(store_->SetProgress(unfinished, 1, 7));
  ASSERT_TRUE(store_->Write(unfinished, "half").ok());
  Open();
  const auto job = store_->Get(finished, "me");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state, Job::State::kCompleted);
  EXPECT_EQ(job->bytes, 5);
  EXPECT_EQ(job->request.prompt, "a \"red\" circle");
  EXPECT_EQ(job->request.seed, 7u);
  EXPECT_EQ(store_->Get(unfinished, "me")->state, Job::State::kFailed);
  EXPECT_EQ(store_->Get(unfinished, "me")->error["code"], "GATEWAY_RESTARTED");
  EXPECT_FALSE(fs::exists(store_->VideoPath(unfinished) + ".partial"));
}

// The disk that was full when the video was complete, or the gateway that said then that it had failed.
TEST_F(JobStoreTest, AFinishedVideoIsThereAfterARestartWhateverIsWrittenBesideIt) {
  const std::string id = Add();
  const std::string words = options_.folder + "/" + id + ".json";
  const std::string waiting = ReadFile(words);
  ASSERT_TRUE(store_->SetProgress(id, 1, 7));
  ASSERT_TRUE(store_->Write(id, "bytes").ok());
  ASSERT_TRUE(store_->Complete(id));
  for (const bool as_failed : {false, true}) {
    std::ofstream(words) << waiting;
    if (as_failed) {
      fs::rename(store_->VideoPath(id), folder_.Path("aside"));
      Open();
      ASSERT_EQ(store_->Get(id, "me")->state, Job::State::kFailed);
      fs::rename(folder_.Path("aside"), store_->VideoPath(id));
    }
    Open();
    const auto job = store_->Get(id, "me");
    ASSERT_TRUE(job.ok()) << job.status();
    EXPECT_EQ(job->state, Job::State::kCompleted);
    EXPECT_EQ(job->bytes, 5);
    EXPECT_EQ(job->progress, 100);
    EXPECT_TRUE(job->error.is_null());
  }
  Pass(50);
  store_->Sweep();
  EXPECT_FALSE(Has(id));
  EXPECT_EQ(FilesLeft(), 0);
}

TEST_F(JobStoreTest, AVideoThatNobodyCanAskForTakesNoRoomAfterARestart) {
  const std::string id = AddCompleted("bytes");
  fs::remove(options_.folder + "/" + id + ".json");
  std::ofstream(options_.folder + "/holiday.mp4") << "somebody's";
  Open();
  EXPECT_FALSE(Has(id));
  EXPECT_EQ(FilesLeft(), 1);
}

TEST_F(JobStoreTest, AVideoWhoseDescriptionCannotBeLookedAtStaysOnTheDisk) {
  const std::string id = AddCompleted("bytes");
  const std::string json = options_.folder + "/" + id + ".json";
  fs::remove(json);
  fs::create_symlink(json, json);  // leads to itself: nothing can say what it is
  Open();
  EXPECT_TRUE(fs::exists(options_.folder + "/" + id + ".mp4"));
}

TEST_F(JobStoreTest, TheOldestFinishedVideoGoesWhenRoomIsNeededAndNeverOneThatIsBeingMade) {
  const std::string first = AddCompleted(std::string(40, 'a'));
  const std::string second = AddCompleted(std::string(40, 'b'));
  const std::string made = Add();
  ASSERT_TRUE(store_->SetProgress(made, 1, 7));
  EXPECT_TRUE(store_->Write(made, std::string(50, 'c')).ok());
  EXPECT_FALSE(Has(first));
  EXPECT_TRUE(Has(second));
  EXPECT_TRUE(store_->Write(made, std::string(50, 'c')).ok());
  EXPECT_FALSE(Has(second));
  const absl::Status full = store_->Write(made, "x");
  EXPECT_EQ(ErrorInfoOf(full)->reason(), "NO_ROOM");
  EXPECT_TRUE(Has(made));
}

TEST_F(JobStoreTest, MoreJobsThanAllowedAreRefusedUnlessOneHasEnded) {
  for (int i = 0; i < 3; ++i) Add();
  EXPECT_EQ(ErrorInfoOf(store_->Add({}, "me").status())->reason(), "TOO_MANY_VIDEOS");
  store_->Fail(store_->List("me")[0].id, absl::InternalError("broken"));
  EXPECT_TRUE(store_->Add({}, "me").ok());
  EXPECT_EQ(store_->List("me").size(), 3u);
}

TEST_F(JobStoreTest, AJobGoesWhenItsTimeIsOver) {
  const std::string id = AddCompleted("bytes");
  Pass(48);
  store_->Sweep();
  EXPECT_TRUE(Has(id));
  Pass(2);
  store_->Sweep();
  EXPECT_FALSE(Has(id));
  EXPECT_EQ(FilesLeft(), 0);
}

TEST_F(JobStoreTest, AStepOfTheWallClockTakesNoVideoAwayAndKeepsNone) {
  const std::string id = AddCompleted("bytes");
  now_ += 86'400;
  store_->Sweep();
  EXPECT_TRUE(Has(id));
  now_ -= 2 * 86'400;
  Pass(49);
  store_->Sweep();
  EXPECT_FALSE(Has(id));
}

TEST_F(JobStoreTest, ARestartGivesAJobNoMoreThanItsTimeWhateverTheWallClockSaysByThen) {
  const std::string id = AddCompleted("bytes");
  now_ -= 86'400;
  Open();
  Pass(49);
  store_->Sweep();
  EXPECT_TRUE(Has(id));
  Pass(1);
  store_->Sweep();
  EXPECT_FALSE(Has(id));
}

TEST_F(JobStoreTest, NobodySeesTheJobsOfOthers) {
  const std::string id = Add("me");
  EXPECT_EQ(store_->Get(id, "you").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(store_->Delete(id, "you").code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(store_->List("you").empty());
  EXPECT_NE(OwnerOf("Bearer one"), OwnerOf("Bearer two"));
}

TEST_F(JobStoreTest, ADeletedJobThatIsBeingMadeLeavesNothingBehind) {
  const std::string id = Add();
  ASSERT_TRUE(store_->SetProgress(id, 1, 7));
  ASSERT_TRUE(store_->Write(id, "half").ok());
  EXPECT_TRUE(store_->Delete(id, "me").ok());
  EXPECT_EQ(store_->Write(id, "more").code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(store_->Complete(id));
  EXPECT_EQ(FilesLeft(), 0);
}

TEST_F(JobStoreTest, FilesOfOthersInTheFolderAreLeftAlone) {
  for (const char* name : {"notes.json", "video_x.json", "../x"}) {
    std::ofstream(fs::path(options_.folder) / fs::path(name).filename()) << "{\"id\": \"../x\"}";
  }
  std::ofstream(fs::path(options_.folder) / "video_aaaaaaaaaaaaaaaaaaaaaaaaaa.json") << "{\"id\": 7";
  Open();
  EXPECT_TRUE(store_->List("me").empty());
  EXPECT_EQ(FilesLeft(), 4);
}

TEST(JobRunnerTest, SecondsAreMadeUpToWholeChunks) {
  EXPECT_EQ(ChunksFor(0.1, 9, 12, 16), 1);
  EXPECT_EQ(ChunksFor(9.0 / 16, 9, 12, 16), 1);
  EXPECT_EQ(ChunksFor(0.6, 9, 12, 16), 2);
  EXPECT_EQ(ChunksFor(4, 9, 12, 16), 6);
  EXPECT_EQ(ChunksFor(1e9, 9, 12, 16), 1'000'000);
}

}  // namespace
}  // namespace videodiffcr
