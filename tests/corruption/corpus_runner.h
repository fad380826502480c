// Runs many cases of damage, each in a worker process, so that a crash or a hang
// is a result and not the end; counts what came of them, prints the table and
// writes it as JSON. Used by one thread, which must not have started others
// before Run (it forks).
//
//   CorpusRunner runner({.jobs = 2, .directory = folder});
//   runner.Run(cases, [](const std::string& folder) { return std::make_unique<MyWorker>(folder); });
//   runner.PrintTable(std::cout);
#ifndef EIDETIC_TESTS_CORRUPTION_CORPUS_RUNNER_H_
#define EIDETIC_TESTS_CORRUPTION_CORPUS_RUNNER_H_

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace eidetic::corruption {

// What may come of a case.
enum class Expectation {
  kDetected,    // damage that must be noticed
  kHarmless,    // changes nothing that has a meaning: right answers, noticed or not
  kUnprovable,  // looks like what a crash may leave: right answers or fewer, never others
};

struct DamageCase {
  std::string kind;         // a row of the table
  std::string description;  // which of that kind: file, offset
  Expectation expectation = Expectation::kDetected;
  // Does the damage to a whole copy in `folder`.
  std::function<void(const std::string& folder)> damage;
};

enum class Verdict { kDetected, kHarmless, kOlder, kWrong };

struct CaseResult {
  Verdict verdict = Verdict::kWrong;
  std::string detail;
};

// Lives in a worker process.
class CorpusWorker {
 public:
  virtual ~CorpusWorker() = default;
  virtual CaseResult RunCase(const DamageCase& damage) = 0;
};

struct RunnerOptions {
  size_t jobs = 1;
  // Each worker gets a folder of its own in it.
  std::string directory;
  // A case that takes longer hangs.
  absl::Duration patience = absl::Seconds(60);
  // Tell each case and what came of it.
  bool verbose = false;
};

class CorpusRunner {
 public:
  explicit CorpusRunner(RunnerOptions options) : options_(std::move(options)) {}

  using NewWorker = std::function<std::unique_ptr<CorpusWorker>(const std::string& folder)>;
  void Run(const std::vector<DamageCase>& cases, const NewWorker& new_worker);

  void PrintTable(std::ostream& out) const;
  nlohmann::json ToJson() const;
  // Every case came out as expected.
  bool passed() const { return complaints_.empty(); }

 private:
  struct Row {
    std::string kind;
    uint64_t count = 0;
    uint64_t detected = 0;
    uint64_t harmless = 0;
    uint64_t older = 0;
    uint64_t crashed = 0;
    uint64_t wrong = 0;
    // How the first detected one was reported.
    std::string example;
  };
  struct Job;

  void StartWorker(Job& job, const std::vector<DamageCase>& cases, const NewWorker& new_worker);
  bool ReadFrom(Job& job, const std::vector<DamageCase>& cases);
  void Note(const DamageCase& damage, const CaseResult& result);
  void NoteCrash(const DamageCase& damage, const std::string& how);
  Row& RowOf(const DamageCase& damage);
  Row Total() const;

  const RunnerOptions options_;
  std::vector<Row> rows_;
  std::vector<std::string> complaints_;
};

}  // namespace eidetic::corruption

#endif  // EIDETIC_TESTS_CORRUPTION_CORPUS_RUNNER_H_
