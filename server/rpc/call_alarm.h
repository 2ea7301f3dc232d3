// Wakes a call after a time, for calls that nothing else would wake.
#ifndef VIDEODIFFCR_SERVER_RPC_CALL_ALARM_H_
#define VIDEODIFFCR_SERVER_RPC_CALL_ALARM_H_

#include <memory>

#include "absl/time/time.h"
#include "grpcpp/alarm.h"
#include "proto/grpc_deadline.h"

namespace videodiffcr {

// One thread at a time; may go before its moment.
class CallAlarm {
 public:
  // The call's OnAlarm() comes after `from_now`, from a thread of gRPC's; a moment that was set before is forgotten.
  template <typename Call>
  void Set(absl::Duration from_now, const std::shared_ptr<Call>& call) {
    // Weak, since the callback may run late. A new one each time: gRPC's alarm takes no second moment.
    alarm_ = std::make_unique<grpc::Alarm>();
    alarm_->Set(GrpcDeadline(from_now), [weak = std::weak_ptr<Call>(call)](bool expired) {
      const std::shared_ptr<Call> alive = expired ? weak.lock() : nullptr;
      if (alive != nullptr) alive->OnAlarm();
    });
  }

 private:
  std::unique_ptr<grpc::Alarm> alarm_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_CALL_ALARM_H_
