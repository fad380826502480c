// A fixed, short life of a library on a disk of which one operation fails:
// create, put, captions, delete, trim, snapshot, reopen, several times over.
// Runs in a child process of its own, as RocksDB ends the process in some cases;
// what it finds goes to a pipe.
//
//   if (fork() == 0) RunFailureScript(options);   // does not return
#ifndef EIDETIC_TESTS_STRESS_FAILURE_SCRIPT_H_
#define EIDETIC_TESTS_STRESS_FAILURE_SCRIPT_H_

#include <optional>
#include <string>

#include "tests/fault_injection/simulated_disk.h"

namespace eidetic::stress {

struct FailureScriptOptions {
  std::string directory;  // library, journal and trash are in it
  // nullopt: no script, only the comparison of what is there on a good disk.
  std::optional<fault_injection::Fault> fault;
  // The power fails after the script: what was not synced may be gone.
  bool lose_power = false;
  // Lines "complaint TEXT" and, once the script is through, "done HIT FAILED
  // IN_DOUBT": whether the fault was met, changes that failed, those in doubt.
  int report = -1;
};

[[noreturn]] void RunFailureScript(const FailureScriptOptions& options);

}  // namespace eidetic::stress

#endif  // EIDETIC_TESTS_STRESS_FAILURE_SCRIPT_H_
