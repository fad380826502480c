// Progress of long work on standard error: a bar with rate and remaining time
// on a terminal, a log line every ten seconds otherwise. Used by one thread.
//
//   ProgressBar bar(terminal, /*silent=*/options.quiet);
//   bar.Update({.label = "Indexing", .done = 70, .total = 700, .per_second = 35, .unit = "photos"});
//   bar.Note("skipped x.jpg: the file is empty");
//   bar.Clear();
#ifndef EIDETIC_CLI_PROGRESS_BAR_H_
#define EIDETIC_CLI_PROGRESS_BAR_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/terminal.h"

namespace eidetic::cli {

struct ProgressState {
  std::string label;
  uint64_t done = 0;
  uint64_t total = 0;  // 0: unknown
  double per_second = 0;
  std::string unit;
};

// One line without colour or carriage return, at most `columns` wide when
// `columns` is above 0: "Indexing  [=====>     ]  50%  350/700 photos  35/s  0:10 left".
std::string RenderProgress(const ProgressState& state, int columns);

class ProgressBar {
 public:
  ProgressBar(const Terminal& terminal, bool silent);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Update(const ProgressState& state);
  // Prints a line of its own above the bar.
  void Note(absl::string_view line);
  // Takes the bar off the screen.
  void Clear();

 private:
  Terminal terminal_;
  bool silent_;
  bool drawn_ = false;
  std::string last_label_;
  absl::Time last_draw_ = absl::InfinitePast();
};

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_PROGRESS_BAR_H_
