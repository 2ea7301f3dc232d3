#include "server/rpc/response_conversion.h"
#include "proto/proto_duration.h"

#include <type_traits>
#include <utility>
#include <variant>

namespace videodiffcr {
namespace {

double BudgetOf(RetentionTenths tenths) { return tenths / 10.0; }

v1::Codec ToProto(VideoCodec codec) {
  switch (codec) {
    case VideoCodec::kH264:
      return v1::CODEC_H264;
    case VideoCodec::kRawRgb24:
      return v1::CODEC_RAW_RGB24;
    case VideoCodec::kRawYuv420p:
      return v1::CODEC_RAW_YUV420P;
  }
  return v1::CODEC_UNSPECIFIED;
}

v1::Container ToProto(VideoContainer container) {
  switch (container) {
    case VideoContainer::kFragmentedMp4:
      return v1::CONTAINER_FRAGMENTED_MP4;
    case VideoContainer::kAnnexB:
      return v1::CONTAINER_ANNEX_B;
    case VideoContainer::kRaw:
      return v1::CONTAINER_RAW;
  }
  return v1::CONTAINER_UNSPECIFIED;
}

v1::SessionState ToProto(SessionState state) {
  switch (state) {
    case SessionState::kWaiting:
      return v1::SESSION_STATE_WAITING;
    case SessionState::kGenerating:
      return v1::SESSION_STATE_GENERATING;
    case SessionState::kPaused:
      return v1::SESSION_STATE_PAUSED;
    case SessionState::kBlocked:
      return v1::SESSION_STATE_BLOCKED;
    case SessionState::kFinishing:
    case SessionState::kEnded:
      return v1::SESSION_STATE_FINISHING;
  }
  return v1::SESSION_STATE_UNSPECIFIED;
}

void Fill(StartedEvent event, v1::SessionStarted* started) {
  started->set_session_id(std::move(event.session_name));
  started->set_resume_token(std::move(event.resume_token));
  started->set_watch_token(std::move(event.watch_token));
  started->set_resumed(event.resumed);
  started->set_next_sequence(event.next_sequence);
  started->set_controls_received(event.controls_received);
  started->set_seed(event.seed);
  started->set_width(event.width);
  started->set_height(event.height);
  started->set_frames_per_second(event.frames_per_second);
  started->set_first_chunk_frames(event.first_chunk_frames);
  started->set_chunk_frames(event.chunk_frames);
  started->set_codec_string(std::move(event.codec_string));
  started->set_codec(ToProto(event.output.codec));
  started->set_container(ToProto(event.output.container));
  started->set_model(std::move(event.model));
  started->set_length_chunks(static_cast<int32_t>(event.length_chunks));
  started->set_retention_target(BudgetOf(event.target));
}

void Fill(ChunkEvent event, absl::Time now, v1::VideoChunk* chunk) {
  chunk->set_sequence(event.sequence);
  chunk->set_first_frame(event.first_frame);
  chunk->set_frame_count(event.frame_count);
  *chunk->mutable_presentation_start() = ToProtoDuration(event.presentation_start);
  *chunk->mutable_presentation_duration() = ToProtoDuration(event.presentation_duration);
  chunk->set_keyframe(event.keyframe);
  chunk->set_init_segment(std::move(event.init_segment));
  chunk->set_payload(std::move(event.payload));
  chunk->set_payload_crc32c(event.payload_crc32c);
  chunk->mutable_retention()->set_nominal(BudgetOf(event.nominal));
  chunk->mutable_retention()->set_executed(event.executed_retention);
  chunk->mutable_retention()->set_executed_cache(event.executed_cache);
  v1::StageTimings* timings = chunk->mutable_timings();
  *timings->mutable_queue() = ToProtoDuration(event.timings.queue);
  *timings->mutable_text() = ToProtoDuration(event.timings.text);
  *timings->mutable_denoise() = ToProtoDuration(event.timings.denoise);
  *timings->mutable_context() = ToProtoDuration(event.timings.context);
  *timings->mutable_context_queue() = ToProtoDuration(event.timings.context_queue);
  *timings->mutable_delivery_queue() = ToProtoDuration(event.timings.delivery_queue);
  *timings->mutable_decode() = ToProtoDuration(event.timings.decode);
  *timings->mutable_encode() = ToProtoDuration(event.encode);
  *timings->mutable_total() = ToProtoDuration(now - event.work_began);
  if (event.deadline.has_value()) *chunk->mutable_slack() = ToProtoDuration(*event.deadline - now);
  chunk->set_scene_start(event.scene_start);
}

void Fill(FirstFragmentEvent event, v1::FirstFragment* fragment) {
  fragment->set_init_segment(std::move(event.init_segment));
  fragment->set_payload(std::move(event.payload));
  fragment->set_payload_crc32c(event.payload_crc32c);
  fragment->set_frame_count(event.frame_count);
}

void Fill(BudgetChangedEvent event, v1::BudgetChanged* changed) {
  changed->set_first_chunk(event.first_chunk);
  changed->set_retention_target(BudgetOf(event.target));
  changed->set_origin(event.by_server ? v1::BUDGET_ORIGIN_SERVER : v1::BUDGET_ORIGIN_CLIENT);
  changed->set_reason(std::move(event.reason));
}

void Fill(WarningEvent event, v1::Warning* warning) {
  warning->set_reason(std::move(event.reason));
  warning->set_message(std::move(event.message));
  for (std::string& detail : event.details) warning->add_details(std::move(detail));
}

void Fill(FinishedEvent event, int64_t deadline_misses, v1::SessionFinished* finished) {
  finished->set_chunks(event.chunks);
  finished->set_frames(event.frames);
  finished->set_payload_bytes(event.payload_bytes);
  *finished->mutable_content_duration() = ToProtoDuration(event.content_duration);
  *finished->mutable_wall_duration() = ToProtoDuration(event.wall_duration);
  *finished->mutable_time_to_first_chunk() = ToProtoDuration(event.time_to_first_chunk);
  finished->set_deadline_misses(deadline_misses);
  finished->mutable_retention()->set_nominal(event.nominal_retention_mean);
  finished->mutable_retention()->set_executed(event.executed_retention_mean);
  finished->mutable_retention()->set_executed_cache(event.executed_cache_mean);
  finished->set_reason(std::move(event.reason));
}

}  // namespace

v1::StreamVideoResponse ToResponse(StreamEvent event, absl::Time now, int64_t deadline_misses) {
  v1::StreamVideoResponse response;
  std::visit(
      [&](auto& content) {
        using Event = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Event, ChunkEvent>) {
          Fill(std::move(content), now, response.mutable_chunk());
        } else if constexpr (std::is_same_v<Event, UpdateAppliedEvent>) {
          response.mutable_update_applied()->set_update_id(content.update_id);
          response.mutable_update_applied()->set_first_chunk(content.first_chunk);
        } else if constexpr (std::is_same_v<Event, StateChangedEvent>) {
          response.mutable_state_changed()->set_state(ToProto(content.state));
          response.mutable_state_changed()->set_reason(std::move(content.reason));
        } else if constexpr (std::is_same_v<Event, BudgetChangedEvent>) {
          Fill(std::move(content), response.mutable_budget_changed());
        } else if constexpr (std::is_same_v<Event, WarningEvent>) {
          Fill(std::move(content), response.mutable_warning());
        } else if constexpr (std::is_same_v<Event, SnapshotEvent>) {
          response.mutable_snapshot()->set_state(std::move(content.state));
          response.mutable_snapshot()->set_seal(std::move(content.seal));
          response.mutable_snapshot()->set_next_sequence(content.next_sequence);
        } else if constexpr (std::is_same_v<Event, FirstFragmentEvent>) {
          Fill(std::move(content), response.mutable_first_fragment());
        } else {
          Fill(std::move(content), deadline_misses, response.mutable_finished());
        }
      },
      event);
  return response;
}

v1::StreamVideoResponse ToResponse(StartedEvent event) {
  v1::StreamVideoResponse response;
  Fill(std::move(event), response.mutable_started());
  return response;
}

v1::GetServerInfoResponse ToServerInfo(const ModelInfo& model, const RpcLimits& limits, const ServerFacts& facts,
                                       const SchedulerLoad& load) {
  v1::GetServerInfoResponse response;
  response.set_version(facts.version);
  v1::ModelInfo* info = response.mutable_model();
  info->set_name(model.name);
  info->set_description(model.description);
  v1::Resolution* resolution = info->add_resolutions();
  resolution->set_width(model.width);
  resolution->set_height(model.height);
  info->add_frames_per_second(model.frames_per_second);
  info->set_first_chunk_frames(model.first_chunk_frames);
  info->set_chunk_frames(model.chunk_frames);
  info->set_denoise_steps(model.denoise_steps);
  for (const RetentionBudget& budget : model.budgets) {
    v1::BudgetInfo* budget_info = info->add_budgets();
    budget_info->set_nominal(BudgetOf(budget.tenths));
    budget_info->set_executed(budget.executed);
    budget_info->set_cache(budget.cache);
  }
  for (const std::string& word : model.vocabulary) info->add_vocabulary(word);
  for (const std::string& prompt : model.example_prompts) info->add_example_prompts(prompt);
  info->set_session_bytes(model.session_bytes);
  info->set_cache_score(model.cache_score);
  for (const OutputKind& output : kSupportedOutputs) {
    v1::SupportedOutput* supported = response.add_outputs();
    supported->set_codec(ToProto(output.codec));
    supported->set_container(ToProto(output.container));
  }
  v1::ServerLimits* reported = response.mutable_limits();
  reported->set_max_prompt_bytes(static_cast<int32_t>(limits.max_prompt_bytes));
  reported->set_max_prompt_tokens(model.max_prompt_tokens);
  reported->set_max_first_message_bytes(static_cast<int32_t>(limits.max_first_message_bytes));
  reported->set_max_control_message_bytes(static_cast<int32_t>(limits.max_control_message_bytes));
  reported->set_max_control_messages_per_second(limits.control_messages_per_second);
  reported->set_max_control_message_burst(limits.control_message_burst);
  *reported->mutable_first_message_timeout() = ToProtoDuration(limits.first_message_timeout);
  *reported->mutable_idle_timeout() = ToProtoDuration(facts.idle_timeout);
  *reported->mutable_idle_grace() = ToProtoDuration(facts.idle_grace);
  reported->set_max_sessions(facts.max_sessions);
  reported->set_max_waiting_sessions(facts.max_waiting_sessions);
  reported->set_max_sessions_per_connection(limits.behind_proxy ? 0 : limits.max_sessions_per_connection);
  *reported->mutable_min_ping_interval() = ToProtoDuration(limits.min_ping_interval);
  reported->set_max_length_chunks(static_cast<int32_t>(limits.max_length_chunks));
  *reported->mutable_disconnect_grace() = ToProtoDuration(limits.disconnect_grace);
  reported->set_replay_chunks(facts.replay.chunks);
  reported->set_replay_bytes(facts.replay.bytes);
  reported->set_max_watchers_per_session(limits.max_watchers_per_session);
  reported->set_max_watchers(limits.max_watchers);
  *reported->mutable_session_lifetime() = ToProtoDuration(facts.session_lifetime);
  *reported->mutable_max_connection_age() = ToProtoDuration(facts.max_connection_age);
  *reported->mutable_max_connection_age_grace() = ToProtoDuration(facts.max_connection_age_grace);
  *reported->mutable_keepalive_time() = ToProtoDuration(facts.keepalive_time);
  *reported->mutable_keepalive_timeout() = ToProtoDuration(facts.keepalive_timeout);
  if (load.measured_chunk_period.has_value()) {
    *response.mutable_measured_chunk_period() = ToProtoDuration(*load.measured_chunk_period);
  }
  response.set_active_sessions(load.active_sessions);
  response.set_device(model.device);
  return response;
}

void AddTenantLimits(const TenantLimits& limits, v1::ServerLimits* reported) {
  if (limits.max_sessions.has_value()) reported->set_tenant_sessions(*limits.max_sessions);
  if (limits.max_waiting_sessions.has_value()) reported->set_tenant_waiting_sessions(*limits.max_waiting_sessions);
  if (limits.chunks_per_minute.has_value()) reported->set_tenant_chunks_per_minute(*limits.chunks_per_minute);
}

}  // namespace videodiffcr
