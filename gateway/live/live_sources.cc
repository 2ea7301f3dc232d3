#include "gateway/live/live_sources.h"

#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

// Follows a log: one item asked for at a time. `Format` makes bytes of what was found; it is called by one thread at a
// time, and may outlive the source.
template <typename Item>
class LogSource final : public BodySource {
 public:
  using Found = typename BroadcastLog<Item>::Found;
  using Format = std::function<Piece(int64_t asked, const Found& found)>;

  LogSource(std::shared_ptr<LiveSession> session, std::shared_ptr<void> place, BroadcastLog<Item>* log, int64_t from,
            Format format)
      : session_(std::move(session)),
        place_(std::move(place)),
        log_(log),
        state_(std::make_shared<State>(State{from, std::move(format)})) {}

  ~LogSource() override {
    if (ticket_ != 0) log_->Forget(ticket_);
  }

  void Next(std::function<void(Piece)> ready) override {
    ticket_ = log_->Wait(state_->next, [state = state_, ready = std::move(ready)](const Found& found) {
      if (found.item == nullptr) return ready(nullptr);
      Piece piece = state->format(state->next, found);
      state->next = found.number + 1;
      ready(std::move(piece));
    });
  }

 private:
  struct State {
    int64_t next = 0;
    Format format;
  };

  const std::shared_ptr<LiveSession> session_;  // owns the log
  const std::shared_ptr<void> place_;
  BroadcastLog<Item>* const log_;
  const std::shared_ptr<State> state_;
  int64_t ticket_ = 0;
};

}  // namespace

std::shared_ptr<BodySource> VideoSource(std::shared_ptr<LiveSession> session, std::shared_ptr<void> place, int64_t from,
                                        GatewayMetrics* metrics) {
  BroadcastLog<LiveChunk>* const log = &session->chunks();
  const auto format = [metrics, sent = std::shared_ptr<const std::string>()](
                          int64_t asked, const BroadcastLog<LiveChunk>::Found& found) mutable -> BodySource::Piece {
    if (found.number > asked) metrics->skipped_chunks->Increment(static_cast<double>(found.number - asked));
    if (found.item->init != sent) {
      sent = found.item->init;
      return std::make_shared<const std::string>(*sent + found.item->fragment);
    }
    return BodySource::Piece(found.item, &found.item->fragment);  // shared by all viewers
  };
  return std::make_shared<LogSource<LiveChunk>>(std::move(session), std::move(place), log, from, format);
}

std::shared_ptr<BodySource> EventSource(std::shared_ptr<LiveSession> session, std::shared_ptr<void> place,
                                        int64_t from) {
  BroadcastLog<LiveEvent>* const log = &session->events();
  const auto format = [](int64_t asked, const BroadcastLog<LiveEvent>::Found& found) -> BodySource::Piece {
    std::string text;
    if (found.number > asked) absl::StrAppend(&text, "event: skipped\ndata: ", found.number - asked, "\n\n");
    absl::StrAppend(&text, "id: ", found.number, "\nevent: ", found.item->name, "\ndata: ", found.item->data, "\n\n");
    return std::make_shared<const std::string>(std::move(text));
  };
  return std::make_shared<LogSource<LiveEvent>>(std::move(session), std::move(place), log, from, format);
}

}  // namespace videodiffcr
