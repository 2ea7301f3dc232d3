#include "tests/fakes/fake_video_model.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/plain/text/prompt_cleaning.h"

namespace videodiffcr {
namespace {

constexpr int64_t kRowsPerPass = 1000;
constexpr size_t kLatentsPerChunk = 8;

}  // namespace

class FakeVideoModel::Latents final : public LatentChunk {
 public:
  // Says whose they are: seed, chunk and prompt, as RunStep() reads them back.
  absl::StatusOr<HalfLatents> CopyToHost() override {
    if (!decode_begun) {
      MutexLock lock(&model->mutex_);
      model->Broken("latents were copied before their frames were asked for, which waits for the device twice");
    }
    HalfLatents half(kLatentsPerChunk);
    half[0] = static_cast<uint16_t>(identity.seed % 1024);
    half[1] = static_cast<uint16_t>(identity.chunk % 1024);
    half[2] = static_cast<uint16_t>(identity.prompt_hash % 1024);
    return half;
  }
  FakeVideoModel* model = nullptr;
  FrameIdentity identity;
  int frame_count = 0;
  bool rebuilt = false;
  bool decode_begun = false;
  std::shared_ptr<DecoderState> decoder;
};

ModelInfo FakeVideoModel::SmallInfo() {
  ModelInfo info;
  info.name = "fake";
  info.description = "Frames that name their session, chunk and number.";
  info.device = "cpu";
  info.width = 64;
  info.height = 48;
  info.budgets = {{10, 1.0}, {9, 0.91}, {8, 0.82}, {7, 0.73}};
  info.example_prompts = {"a red circle"};
  info.session_bytes = 1000;
  info.kv_cache_bytes = 800;
  info.tokens_per_chunk = 100;
  info.window_tokens = 300;
  info.latents_per_chunk = kLatentsPerChunk;
  info.window_chunks = 2;
  info.max_sessions_per_plan = 8;
  return info;
}

absl::StatusOr<PromptCheck> FakeVideoModel::CheckPrompt(std::string_view prompt) const {
  PromptCheck check;
  check.tokens = 1;
  check.blank = IsBlank(prompt);
  for (const std::string& word :
       absl::StrSplit(std::string(prompt), ' ', absl::SkipEmpty()).operator std::vector<std::string>()) {
    ++check.tokens;
    const bool known = info_.vocabulary.empty() ||
                       std::find(info_.vocabulary.begin(), info_.vocabulary.end(), word) != info_.vocabulary.end();
    const bool listed =
        std::find(check.unknown_words.begin(), check.unknown_words.end(), word) != check.unknown_words.end();
    if (!known && !listed) check.unknown_words.push_back(word);
  }
  if (check.tokens > info_.max_prompt_tokens && cuts_long_prompts_) {
    check.cut_tokens = check.tokens - info_.max_prompt_tokens;
    check.tokens = info_.max_prompt_tokens;
  }
  if (check.tokens > info_.max_prompt_tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("prompt has ", check.tokens, " tokens; at most ", info_.max_prompt_tokens, " are allowed"));
  }
  return check;
}

absl::Status FakeVideoModel::health() const {
  MutexLock lock(&mutex_);
  return health_;
}

absl::Status FakeVideoModel::BeginSession(SessionId id, uint64_t seed) {
  MutexLock lock(&mutex_);
  if (engine_calls_ > 0) Broken("BeginSession() ran beside another call of the engine thread");
  if (sessions_.count(id)) Broken(absl::StrCat("session ", id, " began twice"));
  if (!health_.ok()) return absl::InternalError("the device does not answer");
  const auto failure = begin_failures_.find(seed);
  if (failure != begin_failures_.end() && failure->second.times-- > 0) return failure->second.status;
  Session& session = sessions_[id];
  session.seed = seed;
  session.decoder = std::make_shared<DecoderState>();
  changed_.NotifyAll();
  return absl::OkStatus();
}

void FakeVideoModel::EndSession(SessionId id) {
  std::function<void(SessionId)> hook;
  {
    MutexLock lock(&mutex_);
    hook = end_hook_;
  }
  if (hook) hook(id);
  MutexLock lock(&mutex_);
  if (engine_calls_ > 0) Broken("EndSession() ran beside another call of the engine thread");
  sessions_.erase(id);
  changed_.NotifyAll();
}

std::vector<StepOutcome> FakeVideoModel::Run(const StepPlan& plan) {
  std::function<void(const StepPlan&)> hook;
  {
    MutexLock lock(&mutex_);
    if (engine_calls_++ > 0) Broken("Run() ran beside another call of the engine thread");
    WaitAtGate(plan);
    hook = plan_hook_;
  }
  if (hook) hook(plan);

  MutexLock lock(&mutex_);
  std::vector<ObservedStep> observed(plan.steps.size());
  std::vector<StepOutcome> outcomes;
  std::set<SessionId> seen;
  if (plan.steps.empty()) Broken("a plan was empty");
  if (static_cast<int>(plan.steps.size()) > info_.max_sessions_per_plan) {
    Broken(absl::StrCat("a plan holds ", plan.steps.size(), " sessions"));
  }
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    if (!seen.insert(plan.steps[i].session).second) {
      Broken(absl::StrCat("session ", plan.steps[i].session, " is twice in a plan"));
    }
    outcomes.push_back(RunStep(plan.steps[i], &observed[i]));
  }
  if (!observed.empty() && forgotten_outcomes_.count(observed.back().seed)) outcomes.pop_back();
  plans_.push_back(std::move(observed));
  --engine_calls_;
  changed_.NotifyAll();
  return outcomes;
}

void FakeVideoModel::WaitAtGate(const StepPlan& plan) {
  if (!hold_plans_) return;
  held_plan_ = plan;
  changed_.NotifyAll();
  while (hold_plans_ && plan_permits_ == 0) changed_.Wait(&mutex_);
  if (hold_plans_) --plan_permits_;
  held_plan_.reset();
}

StepOutcome FakeVideoModel::RunStep(const PlannedStep& step, ObservedStep* observed) {
  StepOutcome outcome;
  outcome.elapsed = step_time_;
  observed->step = step;
  const auto found = sessions_.find(step.session);
  if (found == sessions_.end()) {
    Broken(absl::StrCat("a step of session ", step.session, ", which is not there"));
    outcome.status = absl::NotFoundError("no such session");
    return outcome;
  }
  Session& session = found->second;
  observed->seed = session.seed;
  if (!health_.ok()) {
    outcome.status = absl::InternalError("the device does not answer");
    return outcome;
  }
  const auto failure = step_failures_.find({session.seed, step.kind, step.chunk, step.step});
  if (failure != step_failures_.end() && failure->second.times-- > 0) {
    session.may_start_again = step.kind == StepKind::kDenoise;
    outcome.status = failure->second.status;
    return outcome;
  }
  if (session.may_start_again && step.kind == StepKind::kDenoise && step.step == 0) {
    session.step = 0;
    session.may_start_again = false;
  }
  // The first of a session that goes on with a new scene.
  if (step.kind == StepKind::kDenoise && step.scene_start && session.chunk == 0) {
    session.chunk = session.decoder->next_chunk = step.chunk;
  }
  CheckStepRules(session, step);
  switch (step.kind) {
    case StepKind::kText:
      session.prompt = step.prompt == nullptr ? "" : *step.prompt;
      session.has_text = true;
      break;
    case StepKind::kDenoise:
      if (step.scene_start) session.cached_tokens = 0;
      observed->key_tokens = session.cached_tokens + info_.tokens_per_chunk;
      outcome = Denoise(session, step);
      break;
    case StepKind::kRebuild:
      outcome = Rebuild(session, step);
      break;
    case StepKind::kContext: {
      session.context_owed = false;
      const int64_t room = info_.window_tokens - info_.tokens_per_chunk;  // the next chunk's own keys need the rest
      session.cached_tokens += info_.tokens_per_chunk;
      observed->key_tokens = session.cached_tokens;
      outcome.tokens_evicted = std::max<int64_t>(0, session.cached_tokens - room);
      session.cached_tokens -= outcome.tokens_evicted;
      break;
    }
  }
  observed->prompt = session.prompt;
  return outcome;
}

StepOutcome FakeVideoModel::Denoise(Session& session, const PlannedStep& step) {
  StepOutcome outcome;
  outcome.elapsed = step_time_;
  outcome.rows_dense = kRowsPerPass;
  outcome.rows_processed = kRowsPerPass * step.budget / kDenseTenths;
  if (++session.step < info_.denoise_steps) return outcome;

  auto latents = std::make_unique<Latents>();
  latents->model = this;
  latents->identity.seed = session.seed;
  latents->identity.chunk = session.chunk;
  latents->identity.budget = step.budget;
  latents->identity.prompt_hash = HashPrompt(session.prompt);
  latents->frame_count = session.cached_tokens == 0 ? info_.first_chunk_frames : info_.chunk_frames;
  latents->decoder = session.decoder;
  outcome.latents = std::move(latents);
  session.step = 0;
  ++session.chunk;
  session.context_owed = true;
  return outcome;
}

StepOutcome FakeVideoModel::Rebuild(Session& session, const PlannedStep& step) {
  StepOutcome outcome;
  outcome.elapsed = step_time_;
  const std::string where = absl::StrCat("session ", step.session, " chunk ", step.chunk, ": ");
  if (step.scene_start != (session.chunk == 0)) Broken(where + "rebuilding does not begin with a scene's start");
  if (step.scene_start) session.cached_tokens = 0;
  if (step.chunk < session.chunk) Broken(where + "rebuilt out of order");
  const HalfLatents& given = *step.latents;
  if (given.size() != kLatentsPerChunk || given[1] != step.chunk % 1024) Broken(where + "rebuilt of another's latents");
  if (given[2] != HashPrompt(session.prompt) % 1024) Broken(where + "rebuilt under another prompt");
  auto latents = std::make_unique<Latents>();
  latents->model = this;
  latents->identity.seed = session.seed;
  latents->identity.chunk = step.chunk;
  latents->identity.prompt_hash = HashPrompt(session.prompt);
  latents->rebuilt = true;
  latents->frame_count = session.cached_tokens == 0 ? info_.first_chunk_frames : info_.chunk_frames;
  latents->decoder = session.decoder;
  outcome.latents = std::move(latents);
  session.cached_tokens =
      std::min(session.cached_tokens + info_.tokens_per_chunk, info_.window_tokens - info_.tokens_per_chunk);
  session.chunk = step.chunk + 1;
  return outcome;
}

void FakeVideoModel::CheckStepRules(const Session& session, const PlannedStep& step) {
  const std::string where = absl::StrCat("session ", step.session, " chunk ", step.chunk, " step ", step.step, ": ");
  if (step.kind == StepKind::kText) {
    if (session.step != 0) Broken(where + "a text step in the middle of a chunk");
    if (step.prompt == nullptr) Broken(where + "a text step without a prompt");
    return;
  }
  if (step.kind == StepKind::kRebuild) {
    if (!session.has_text) Broken(where + "rebuilt before any text");
    if (session.context_owed || session.step != 0) Broken(where + "rebuilt behind a chunk that was made here");
    if (step.latents == nullptr) Broken(where + "rebuilt of nothing");
    return;
  }
  if (step.kind == StepKind::kContext) {
    if (!session.context_owed || session.step != 0) Broken(where + "a context pass that nothing called for");
    if (step.chunk != session.chunk - 1) Broken(where + "a context pass of another chunk");
    return;
  }
  if (!session.has_text) Broken(where + "a denoising pass before any text");
  if (step.chunk != session.chunk || step.step != session.step) {
    Broken(absl::StrCat(where, "a denoising pass out of order; next is chunk ", session.chunk, " step ", session.step));
  }
  if (step.scene_start && step.step != 0) Broken(where + "a scene starts in the middle of a chunk");
  if (step.step == 0 && session.context_owed && !step.scene_start)
    Broken(where + "the context pass before it is missing");
  if (step.scene_start && session.decoder->next_chunk != session.chunk) {
    Broken(where + "a scene starts before the chunks of the last one are decoded");
  }
}

absl::StatusOr<FrameChunk> FakeVideoModel::Decode(LatentChunk& latent_chunk) {
  auto& latents = static_cast<Latents&>(latent_chunk);
  latents.decode_begun = true;
  MutexLock lock(&mutex_);
  if (latents.decoder->decoding) Broken("two decodes of one session at once");
  latents.decoder->decoding = true;
  ++held_decodes_;
  ++decodes_begun_;
  decode_niceness_ = getpriority(PRIO_PROCESS, 0);
  changed_.NotifyAll();
  while (hold_decodes_) changed_.Wait(&mutex_);
  --held_decodes_;
  latents.decoder->decoding = false;
  // Chunks between the scene's first ones and its latest are not rebuilt.
  if (latents.rebuilt) latents.decoder->next_chunk = std::max(latents.decoder->next_chunk, latents.identity.chunk);
  if (latents.identity.chunk != latents.decoder->next_chunk++) {
    Broken(absl::StrCat("chunk ", latents.identity.chunk, " of seed ", latents.identity.seed, " decoded out of order"));
  }
  if (!health_.ok()) return absl::InternalError("the device does not answer");
  const auto failure = decode_failures_.find({latents.identity.seed, latents.identity.chunk});
  if (failure != decode_failures_.end()) return failure->second;
  FrameChunk frames = MakeIdentifiedFrames(latents.identity, latents.frame_count, info_.width, info_.height);
  frames.waited_for_latents = latents_wait_;
  if (short_decodes_.count({latents.identity.seed, latents.identity.chunk})) --frames.frame_count;
  return frames;
}

void FakeVideoModel::Broken(std::string rule) { broken_rules_.push_back(std::move(rule)); }

}  // namespace videodiffcr
