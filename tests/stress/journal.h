// What was tried and what was acknowledged, in a file outside the library that
// outlives the writing process: one line before each commit, one after it. Begin
// and End may be called by several writers at once, each for itself.
//
//   ASSIGN_OR_RETURN(auto journal, Journal::Open(path, writers));
//   journal->Begin(writer, steps);
//   … commit …
//   journal->End(writer, Outcome::kDone);
#ifndef EIDETIC_TESTS_STRESS_JOURNAL_H_
#define EIDETIC_TESTS_STRESS_JOURNAL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/stress/truth.h"

namespace eidetic::stress {

enum class Outcome {
  kDone,  // acknowledged
  // Failed, never to be seen.
  kRefused,
  // Failed, and readers see nothing of it; but a crash before the next change that
  // succeeds may bring it back, whole.
  kInDoubt,
};

// What the journal says of one writer.
struct WriterJournal {
  // All that is certain.
  WriterState state;
  // The commit that was under way; empty: none. It may be there or not.
  std::vector<Step> pending;
  // The last one in doubt, unless a commit that began later was acknowledged,
  // whoever's: then it is certain that this one is not there.
  std::vector<Step> in_doubt;
  // Commits acknowledged since the last checkpoint.
  uint64_t acknowledged = 0;
};

// What the journal says of switches between generations: all that is certain, and
// what else may be.
struct SwitchJournal {
  // Number of the generation that is in use; 0: none was switched to yet.
  uint64_t active = 0;
  // Of a switch that was under way or in doubt; 0: there is none.
  uint64_t maybe = 0;
};

class Journal {
 public:
  // Reads what is there, for `writers` writers. kDataLoss: the journal itself is
  // damaged.
  static absl::StatusOr<std::unique_ptr<Journal>> Open(const std::string& path, size_t writers);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // As of Open or the last Checkpoint.
  const std::vector<WriterJournal>& writers() const { return writers_; }
  const SwitchJournal& switches() const { return switches_; }

  absl::Status Begin(size_t writer, const std::vector<Step>& steps);
  absl::Status End(size_t writer, Outcome outcome);
  // Around a switch to another generation; while nobody commits.
  absl::Status BeginSwitch(size_t writer, uint64_t generation);
  absl::Status EndSwitch(size_t writer, Outcome outcome);
  // Starts the journal anew from what was found in the library.
  absl::Status Checkpoint(const std::vector<WriterState>& states, uint64_t active_generation);

 private:
  Journal(std::string path, size_t writers) : path_(std::move(path)), writers_(writers), lines_(writers) {}
  absl::Status Read();
  absl::Status ReadLine(absl::string_view line);
  absl::Status Append(const std::string& line);
  void ForgetDoubts(uint64_t before_line);

  // Lines in the journal's order: the pending one's, and the one that said of the
  // last commit that it is in doubt.
  struct Lines {
    uint64_t began = 0;
    uint64_t in_doubt = 0;
  };

  const std::string path_;
  int file_ = -1;
  std::vector<WriterJournal> writers_;
  SwitchJournal switches_;
  std::vector<Lines> lines_;
  uint64_t line_ = 0;
};

}  // namespace eidetic::stress

#endif  // EIDETIC_TESTS_STRESS_JOURNAL_H_
