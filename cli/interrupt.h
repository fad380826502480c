// Ctrl-C and SIGTERM as a flag that long work polls. While an Interrupt lives
// the first signal sets the flag; a second one ends the process at once. One
// at a time; made and destroyed by the main thread, read from any.
//
//   Interrupt interrupt;
//   while (!interrupt.requested()) { ... }
#ifndef EIDETIC_CLI_INTERRUPT_H_
#define EIDETIC_CLI_INTERRUPT_H_

#include <csignal>

namespace eidetic::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool requested() const;
  // Blocks until a signal came.
  void Wait() const;

 private:
  struct sigaction previous_int_ {};
  struct sigaction previous_term_ {};
};

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_INTERRUPT_H_
