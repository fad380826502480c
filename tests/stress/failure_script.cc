#include "tests/stress/failure_script.h"

#include <rocksdb/env.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "proto/status_macros.h"
#include "searcher/search_engine.h"
#include "storage/library.h"
#include "tests/fault_injection/faulty_env.h"
#include "tests/fault_injection/faulty_file_system.h"
#include "tests/stress/journal.h"
#include "tests/stress/library_check.h"
#include "tests/stress/operations.h"

namespace eidetic::stress {
namespace {

using fault_injection::SimulatedDisk;

enum class Action { kCommit, kTrim, kSaveSnapshot, kReadAll, kReopen };

struct Line {
  Action action = Action::kCommit;
  std::vector<Step> steps;
};

constexpr int kClient = eidetic::v1::CAPTION_SOURCE_CLIENT;
// Reopening leaves new files each time: so many of them that RocksDB merges them.
constexpr uint32_t kRounds = 5;
constexpr float kScoreTolerance = 1e-4F;
constexpr Model kModel = 0;

Step Put(uint32_t asset, std::optional<uint32_t> path) {
  return {.kind = Step::Kind::kPut,
          .asset = asset,
          .put_by_client = !path.has_value(),
          .path = path,
          .source = kClient,
          .captions = {asset % 8, 7}};
}

std::vector<Line> MakeScript() {
  std::vector<Line> script;
  for (uint32_t round = 0; round < kRounds; ++round) {
    const uint32_t first = round * 4;
    script.push_back({Action::kCommit, {Put(first, std::nullopt), Put(first + 1, first)}});
    script.push_back({Action::kCommit, {Put(first + 2, std::nullopt)}});
    script.push_back(
        {Action::kCommit,
         {{.kind = Step::Kind::kCaptions, .asset = first, .source = kClient, .captions = {1, 2}}}});
    script.push_back({Action::kCommit, {{.kind = Step::Kind::kAttach, .asset = first, .path = first + 1}}});
    script.push_back({Action::kSaveSnapshot, {}});
    script.push_back({Action::kCommit, {{.kind = Step::Kind::kDetach, .path = first}}});
    script.push_back({Action::kCommit, {{.kind = Step::Kind::kDelete, .asset = first + 2}}});
    script.push_back({Action::kTrim, {}});
    script.push_back({Action::kCommit, {{.kind = Step::Kind::kPut, .asset = first, .put_by_client = true}}});
    script.push_back({Action::kReadAll, {}});
    script.push_back({Action::kReopen, {}});
  }
  return script;
}

class FailureScript {
 public:
  explicit FailureScript(const FailureScriptOptions& options)
      : options_(options), disk_(options.directory + "/trash", options.fault ? options.fault->nth : 1) {}

  void Run() {
    if (options_.fault.has_value()) {
      disk_.AddFault(*options_.fault);
      for (const Line& line : MakeScript()) {
        if (library_ == nullptr && !OpenAndCompare()) return;
        RunLine(line);
        if (complained_) return;
        CompareSearch();
      }
      Close();
      if (options_.lose_power) disk_.LosePower();
      if (const absl::Status restarted = disk_.Restart(); !restarted.ok()) Complain(restarted.ToString());
    }
    good_disk_ = true;
    if (!OpenAndCompare()) return;
    // And it goes on from here.
    RunLine({Action::kCommit, {Put(4 * kRounds, std::nullopt)}});
    CompareSearch();
    Close();
    if (!complained_) Report(absl::StrCat("done ", Hits(), " ", failed_, " ", in_doubt_));
  }

 private:
  searcher::SearchEngine& engine() { return *searches_.Get()->engine; }

  // How often the fault was met: 0 or 1, or more of one that lasts.
  uint64_t Hits() const {
    if (!options_.fault.has_value()) return 0;
    const uint64_t count = disk_.count(options_.fault->operation);
    if (count < options_.fault->nth) return 0;
    return options_.fault->lasting ? count - options_.fault->nth + 1 : 1;
  }

  // An attempt that meets the fault may fail; the next one must not.
  bool OpenAndCompare() {
    while (true) {
      const uint64_t hits = Hits();
      std::vector<std::string> complaints;
      if (const absl::Status opened = TryToOpenAndCompare(complaints); !opened.ok()) {
        complaints.push_back(absl::StrCat("opening: ", opened.ToString()));
      }
      if (complaints.empty()) return true;
      Close();
      if (Hits() > hits) {
        disk_.ClearFaults();
        continue;
      }
      for (std::string& complaint : complaints) Complain(std::move(complaint));
      return false;
    }
  }

  absl::Status TryToOpenAndCompare(std::vector<std::string>& complaints) {
    storage::OpenOptions open{
        .create = true, .memory_budget_bytes = 16 << 20, .holder_command = "nth_failure"};
    // Nothing follows by itself, so that the n-th operation is the same each time.
    searcher::SearchEngineOptions engine{.hnsw_from = 4, .follow_changes = false};
    if (!good_disk_) {
      open.env = env_.get();
      open.file_system = engine.file_system = &files_;
    }
    EIDETIC_ASSIGN_OR_RETURN(library_, storage::Library::Open(options_.directory + "/library", open));
    storage::v1::GenerationRecord model;
    model.set_model_name("script");
    model.set_model_fingerprint(kFingerprints[kModel]);
    model.set_dimension(kDimension);
    EIDETIC_RETURN_IF_ERROR(library_->UseModel(model));
    auto searched = std::make_shared<SearchedGeneration>();
    EIDETIC_ASSIGN_OR_RETURN(searched->generation, library_->OpenGeneration(0));
    engine.generation = searched->generation;
    EIDETIC_ASSIGN_OR_RETURN(searched->engine, searcher::SearchEngine::Open(library_.get(), engine));
    searches_.Set(searched);
    EIDETIC_ASSIGN_OR_RETURN(journal_, Journal::Open(options_.directory + "/journal", 1));
    CheckResult result = CheckLibrary(*library_, *searched->engine, *journal_, random_);
    complaints = std::move(result.complaints);
    if (!complaints.empty()) return absl::OkStatus();
    state_ = result.states.front();
    return journal_->Checkpoint(result.states, result.active_generation);
  }

  void Close() {
    searches_.Set(nullptr);
    library_.reset();
  }

  void RunLine(const Line& line) {
    const uint64_t hits = Hits();
    const absl::Status status = Do(line);
    if (status.ok()) return;
    // Only what the disk failed under, or what was refused since, may fail; a
    // full disk is no reason to refuse anything later.
    const bool refused = absl::StrContains(status.message(), "open it again");
    if (Hits() == 0 || (Hits() == hits && !refused) || (absl::IsDataLoss(status) && !refused)) {
      Complain(absl::StrCat("a good disk, and yet: ", status.ToString()));
    }
    disk_.ClearFaults();
    if (refused || absl::IsUnavailable(status)) Close();
  }

  absl::Status Do(const Line& line) {
    switch (line.action) {
      case Action::kCommit:
        return Commit(line.steps);
      case Action::kTrim: {
        const uint64_t last = library_->last_sequence();
        return library_->TrimChanges(last > 2 ? last - 2 : 0);
      }
      case Action::kSaveSnapshot:
        EIDETIC_RETURN_IF_ERROR(engine().CatchUp());
        return engine().SaveSnapshot();
      case Action::kReadAll: {
        const uint64_t hits = Hits();
        const std::string complaint = CheckVerify(*library_);
        if (!complaint.empty() && Hits() == hits) Complain(complaint);
        return absl::OkStatus();
      }
      case Action::kReopen:
        Close();
        return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  absl::Status Commit(const std::vector<Step>& steps) {
    Worker worker{.library = *library_,
                  .searches = searches_,
                  .engine_options = {},
                  .journal = *journal_,
                  .random = std::mt19937_64(1),
                  .state = state_,
                  .disk_fails = [this] { return Hits() > 0; }};
    absl::Status failure;
    const absl::Status done = CommitSteps(worker, steps, &failure);
    state_ = std::move(worker.state);
    if (!failure.ok()) {
      failed_ += 1;
      if (storage::MayBeKept(failure)) in_doubt_ += 1;
    }
    return done.ok() ? failure : done;
  }

  // All that is acknowledged, and nothing else, is what a search finds.
  void CompareSearch() {
    if (library_ == nullptr || complained_ || !engine().CatchUp().ok()) return;
    const std::vector<float> query = AssetVector(kModel, 0, 1);
    const auto found = engine().SearchImages({kFingerprints[kModel], query}, {.limit = 1000, .exact = true});
    if (!found.ok()) return;
    size_t right = 0;
    for (const searcher::Neighbor& hit : found->neighbors) {
      const auto id = library_->GetAssetId(static_cast<storage::Ordinal>(hit.id));
      if (!id.ok() && !absl::IsNotFound(id.status())) return;
      const auto asset =
          id.ok() ? state_.assets.find(ParseAssetName(*id).value_or(~0U)) : state_.assets.end();
      if (asset == state_.assets.end()) return Complain(absl::StrCat("a search found row ", hit.id));
      const std::vector<float> vector = AssetVector(kModel, asset->first, asset->second.version);
      float score = 0;
      for (size_t i = 0; i < vector.size(); ++i) score += vector[i] * query[i];
      if (std::abs(score - hit.score) > kScoreTolerance) {
        return Complain(absl::StrCat("a search gave ", *id, " the score ", hit.score, ", it has ", score));
      }
      right += 1;
    }
    if (right != state_.assets.size()) {
      Complain(absl::StrCat("a search found ", right, " of ", state_.assets.size()));
    }
  }

  void Complain(std::string text) {
    complained_ = true;
    Report(absl::StrCat("complaint ", absl::StrReplaceAll(text, {{"\n", " "}})));
  }

  void Report(const std::string& line) const {
    const std::string bytes = absl::StrCat(line, "\n");
    if (write(options_.report, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) _exit(3);
  }

  const FailureScriptOptions options_;
  SimulatedDisk disk_;
  fault_injection::FaultyFileSystem files_{&disk_};
  std::unique_ptr<rocksdb::Env> env_ = fault_injection::NewFaultyEnv(&disk_);
  std::mt19937_64 random_{1};
  bool good_disk_ = false;
  bool complained_ = false;
  uint64_t failed_ = 0;
  uint64_t in_doubt_ = 0;
  WriterState state_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<storage::Library> library_;
  SearchSlot searches_;
};

}  // namespace

void RunFailureScript(const FailureScriptOptions& options) {
  FailureScript(options).Run();
  _exit(0);
}

}  // namespace eidetic::stress
