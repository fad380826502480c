// What the program tells the shell. Part of the contract (docs/cli.md).
#ifndef EIDETIC_CLI_EXIT_CODE_H_
#define EIDETIC_CLI_EXIT_CODE_H_

namespace eidetic::cli {

enum ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kWrongUsage = 2,
  kInputsSkipped = 3,  // done, but some inputs were skipped; they are listed
  kInterrupted = 130,  // stopped by Ctrl-C, as shells have it
};

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_EXIT_CODE_H_
