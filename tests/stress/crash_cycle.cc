#include "tests/stress/crash_cycle.h"

#include <rocksdb/env.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"
#include "searcher/search_engine.h"
#include "storage/library.h"
#include "tests/fault_injection/faulty_env.h"
#include "tests/fault_injection/faulty_file_system.h"
#include "tests/fault_injection/simulated_disk.h"
#include "tests/stress/generation_operations.h"
#include "tests/stress/journal.h"
#include "tests/stress/library_check.h"
#include "tests/stress/operations.h"

namespace eidetic::stress {
namespace {

using fault_injection::DiskOperation;
using fault_injection::FaultEffect;
using fault_injection::SimulatedDisk;

// From this many vectors on an index is a graph: both kinds are met.
constexpr size_t kHnswFrom = 40;
// File operations until the power fails; some 500 are the opening.
constexpr uint64_t kOperationsOfOpening = 500;
constexpr uint64_t kOperationsOfWork = 1'500;

class Cycle {
 public:
  explicit Cycle(const CycleOptions& options)
      : options_(options), random_(options.seed), disk_(options.directory + "/trash", options.seed) {}

  void Run() {
    const absl::Status status = OpenCheckAndWork();
    if (!status.ok() && !power_lost()) Complain(status.ToString());
    searches_.Set(nullptr);
    library_.reset();
    if (options_.crash != Crash::kPowerLoss) return;
    disk_.LosePower();
    if (const absl::Status restarted = disk_.Restart(); !restarted.ok()) Complain(restarted.ToString());
  }

 private:
  absl::Status OpenCheckAndWork() {
    const bool simulated = options_.crash == Crash::kPowerLoss;
    if (simulated) PlanPowerLoss();
    storage::OpenOptions open{
        .create = true, .memory_budget_bytes = 16 << 20, .holder_command = "crash_oracle"};
    searcher::SearchEngineOptions engine{.hnsw_from = kHnswFrom};
    if (simulated) {
      open.env = env_.get();
      open.file_system = engine.file_system = &files_;
    }
    EIDETIC_ASSIGN_OR_RETURN(library_, storage::Library::Open(options_.directory + "/library", open));
    if (absl::IsNotFound(library_->ActiveGeneration().status())) {
      EIDETIC_RETURN_IF_ERROR(library_->UseModel(ModelRecord(0)));
    }
    auto searched = std::make_shared<SearchedGeneration>();
    EIDETIC_ASSIGN_OR_RETURN(searched->generation, library_->OpenGeneration(0));
    engine.generation = searched->generation;
    EIDETIC_ASSIGN_OR_RETURN(searched->engine, searcher::SearchEngine::Open(library_.get(), engine));
    searches_.Set(searched);
    // Without the generation, which must not outlive the library.
    engine_options_ = engine;
    engine_options_.generation = nullptr;
    EIDETIC_ASSIGN_OR_RETURN(journal_, Journal::Open(options_.directory + "/journal", options_.writers));
    CheckResult result = CheckLibrary(*library_, *searched->engine, *journal_, random_);
    // Reading needs power too.
    if (power_lost()) return absl::OkStatus();
    for (std::string& complaint : result.complaints) Complain(std::move(complaint));
    if (!result.complaints.empty()) return absl::OkStatus();
    uint64_t acknowledged = 0;
    for (const WriterJournal& writer : journal_->writers()) acknowledged += writer.acknowledged;
    EIDETIC_RETURN_IF_ERROR(journal_->Checkpoint(result.states, result.active_generation));
    Report(absl::StrCat("checked ", acknowledged, " ", result.pending_there, " ", result.pending_absent));
    if (options_.crash != Crash::kNone) Work(result.states);
    return absl::OkStatus();
  }

  // The power fails at a file operation drawn from the seed, often in the midst
  // of opening.
  void PlanPowerLoss() {
    disk_.SetSyncLies(options_.disk_lies);
    const bool early = random_() % 5 == 0;
    const uint64_t operation =
        early ? 1 + random_() % kOperationsOfOpening : kOperationsOfOpening + random_() % kOperationsOfWork;
    disk_.AddFault({.nth = operation, .effect = FaultEffect::kPowerLoss});
  }

  void PlanDiskFaults() {
    if (random_() % 3 != 0) return;
    constexpr DiskOperation kOperations[] = {DiskOperation::kWrite,  DiskOperation::kWrite,
                                             DiskOperation::kSync,   DiskOperation::kCreate,
                                             DiskOperation::kRename, DiskOperation::kSyncDirectory};
    constexpr FaultEffect kEffects[] = {FaultEffect::kError, FaultEffect::kShort, FaultEffect::kNoSpace};
    disk_fails_ = true;
    for (uint64_t left = 1 + random_() % 3; left > 0; --left) {
      const DiskOperation operation = kOperations[random_() % std::size(kOperations)];
      const bool rare = operation != DiskOperation::kWrite && operation != DiskOperation::kSync;
      disk_.AddFault({.operation = operation,
                      .nth = 1 + random_() % (rare ? 20 : 500),
                      .effect = kEffects[random_() % std::size(kEffects)]});
    }
  }

  void Work(const std::vector<WriterState>& states) {
    if (options_.crash == Crash::kPowerLoss && options_.disk_faults) PlanDiskFaults();
    std::vector<std::thread> threads;
    for (size_t i = 0; i < options_.writers; ++i) {
      threads.emplace_back([this, i, &states] { Write(i, states[i]); });
    }
    for (size_t i = 0; i < options_.readers; ++i) {
      threads.emplace_back([this, i] { Read(i); });
    }
    const absl::Time end = absl::Now() + kLongestWork;
    while (!stop_ && !power_lost() && (options_.crash == Crash::kKill || absl::Now() < end)) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    // A killed child does not come to this unless something was wrong.
    if (options_.crash == Crash::kPowerLoss) disk_.LosePower();
    stop_ = true;
    for (std::thread& thread : threads) thread.join();
  }

  void Write(size_t number, const WriterState& state) {
    Worker worker{.library = *library_,
                  .searches = searches_,
                  .engine_options = engine_options_,
                  .journal = *journal_,
                  .number = number,
                  .writers = options_.writers,
                  .random = std::mt19937_64(options_.seed * 31 + number + 1),
                  .state = state,
                  .disk_fails = [this] { return disk_fails_ || power_lost(); }};
    while (!stop_ && !power_lost()) {
      const absl::Status status = RunOperation(worker);
      if (status.ok()) continue;
      if (!power_lost()) {
        Complain(absl::StrCat("writer ", number, ": ", status.ToString()));
        stop_ = true;
      }
      return;
    }
  }

  void Read(size_t number) {
    std::mt19937_64 random(options_.seed * 37 + number + 1);
    while (!stop_ && !power_lost()) {
      const uint64_t drawn = random() % 64;
      const std::string complaint = drawn == 0  ? CheckVerify(*library_)
                                    : drawn < 8 ? CheckView(*library_)
                                                : CheckSearch(*searches_.Get(), random);
      if (complaint.empty()) continue;
      if (!power_lost()) {
        Complain(absl::StrCat("reader ", number, ": ", complaint));
        stop_ = true;
      }
      return;
    }
  }

  bool power_lost() const { return !disk_.has_power(); }

  void Complain(std::string text) {
    Report(absl::StrCat("complaint ", absl::StrReplaceAll(text, {{"\n", " "}})));
  }

  void Report(const std::string& line) {
    const std::string bytes = absl::StrCat(line, "\n");
    const absl::MutexLock lock(&report_mutex_);
    // A pipe that broke has a parent that is gone.
    if (write(options_.report, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) _exit(3);
  }

  const CycleOptions options_;
  std::mt19937_64 random_;
  SimulatedDisk disk_;
  fault_injection::FaultyFileSystem files_{&disk_};
  std::unique_ptr<rocksdb::Env> env_ = fault_injection::NewFaultyEnv(&disk_);
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<storage::Library> library_;
  // Borrows the library: given up before it.
  SearchSlot searches_;
  searcher::SearchEngineOptions engine_options_;
  absl::Mutex report_mutex_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> disk_fails_ = false;
};

}  // namespace

void RunCycle(const CycleOptions& options) {
  Cycle(options).Run();
  _exit(0);
}

}  // namespace eidetic::stress
