// One life of a process on a library: open it, compare it with the journal, work
// on it until the crash. Runs in a child process of its own; what it finds goes
// to a pipe, line by line, so that it outlives the child.
//
//   if (fork() == 0) RunCycle(options);   // does not return
#ifndef EIDETIC_TESTS_STRESS_CRASH_CYCLE_H_
#define EIDETIC_TESTS_STRESS_CRASH_CYCLE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace eidetic::stress {

enum class Crash {
  kNone,       // compare and end
  kKill,       // work until the parent kills
  kPowerLoss,  // work until the simulated disk loses its power
};

struct CycleOptions {
  std::string directory;  // library, journal and trash are in it
  uint64_t seed = 0;      // of this cycle
  size_t writers = 2;
  size_t readers = 1;
  Crash crash = Crash::kNone;
  // The disk says it synced and does not: the comparison must find out.
  bool disk_lies = false;
  // In a third of the cycles with a power loss the disk fails in other ways before.
  bool disk_faults = false;
  // Lines "complaint TEXT" and, after the comparison, "checked ACKNOWLEDGED
  // PENDING_THERE PENDING_ABSENT".
  int report = -1;
};

// A power loss that no file operation has set off comes after this much work.
inline constexpr absl::Duration kLongestWork = absl::Milliseconds(150);

[[noreturn]] void RunCycle(const CycleOptions& options);

}  // namespace eidetic::stress

#endif  // EIDETIC_TESTS_STRESS_CRASH_CYCLE_H_
