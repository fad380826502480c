// Cancels a call when the user presses Ctrl-C, while it lives. Borrows both.
//
//   grpc::ClientContext context;
//   const auto stream = stub->CreateBackup(&context, request);
//   const CancelOnInterrupt canceller(interrupt, context);
#ifndef EIDETIC_CLI_CANCEL_ON_INTERRUPT_H_
#define EIDETIC_CLI_CANCEL_ON_INTERRUPT_H_

#include <grpcpp/client_context.h>

#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/interrupt.h"

namespace eidetic::cli {

class CancelOnInterrupt {
 public:
  CancelOnInterrupt(const Interrupt& interrupt, grpc::ClientContext& context)
      : thread_([this, &interrupt, &context] {
          while (!ended_ && !interrupt.requested()) absl::SleepFor(absl::Milliseconds(20));
          if (!ended_) context.TryCancel();
        }) {}
  ~CancelOnInterrupt() {
    ended_ = true;
    thread_.join();
  }
  CancelOnInterrupt(const CancelOnInterrupt&) = delete;
  CancelOnInterrupt& operator=(const CancelOnInterrupt&) = delete;

 private:
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_CANCEL_ON_INTERRUPT_H_
