#include "cli/interrupt.h"

#include <unistd.h>

#include <atomic>

#include "absl/time/clock.h"
#include "cli/exit_code.h"

namespace eidetic::cli {
namespace {

// A signal handler has no other way to reach the object.
std::atomic<bool> signal_seen{false};

void OnSignal(int) {
  if (signal_seen.exchange(true)) _exit(kInterrupted);
}

}  // namespace

Interrupt::Interrupt() {
  signal_seen = false;
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGINT, &action, &previous_int_);
  sigaction(SIGTERM, &action, &previous_term_);
}

Interrupt::~Interrupt() {
  sigaction(SIGINT, &previous_int_, nullptr);
  sigaction(SIGTERM, &previous_term_, nullptr);
}

bool Interrupt::requested() const { return signal_seen.load(); }

void Interrupt::Wait() const {
  while (!requested()) absl::SleepFor(absl::Milliseconds(50));
}

}  // namespace eidetic::cli
