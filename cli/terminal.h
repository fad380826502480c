// What the streams of this process are: terminals or files, how wide, whether
// colour is wanted (NO_COLOR and TERM=dumb are honoured). Immutable; any thread.
#ifndef EIDETIC_CLI_TERMINAL_H_
#define EIDETIC_CLI_TERMINAL_H_

#include <string>

#include "absl/strings/string_view.h"

namespace eidetic::cli {

struct Terminal {
  static Terminal Detect();

  bool stdout_is_terminal = false;
  bool stderr_is_terminal = false;
  bool color = false;  // on standard output
  bool error_color = false;

  // Columns of the terminal behind standard error; 80 when unknown.
  int Columns() const;

  // Text in a style on standard output; as it is when there is no colour.
  std::string Bold(absl::string_view text) const;
  std::string Dim(absl::string_view text) const;
};

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_TERMINAL_H_
