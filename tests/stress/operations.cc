#include "tests/stress/operations.h"

#include <array>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/backup.h"
#include "storage/file_system.h"
#include "tests/stress/generation_operations.h"
#include "tests/stress/library_check.h"

namespace eidetic::stress {
namespace {

// Few, so that they meet each other often.
constexpr uint32_t kAssetsOfWriter = 24;
constexpr uint32_t kPathsOfWriter = 12;
constexpr uint32_t kCaptionNumbers = 8;
constexpr uint32_t kMostSteps = 6;
constexpr uint64_t kTrimBehind = 64;

uint32_t DrawOwn(Worker& worker, uint32_t count) {
  return worker.Below(count) * static_cast<uint32_t>(worker.writers) + static_cast<uint32_t>(worker.number);
}

std::set<uint32_t> DrawCaptions(Worker& worker) {
  std::set<uint32_t> captions;
  for (uint32_t left = worker.Below(4); left > 0; --left) captions.insert(worker.Below(kCaptionNumbers));
  return captions;
}

// An asset that is there, three times of four; the others test refusals.
uint32_t DrawAsset(Worker& worker) {
  if (worker.state.assets.empty() || worker.Below(4) == 0) return DrawOwn(worker, kAssetsOfWriter);
  const auto place = static_cast<std::ptrdiff_t>(worker.random() % worker.state.assets.size());
  return std::next(worker.state.assets.begin(), place)->first;
}

Step DrawPut(Worker& worker) {
  Step step{.kind = Step::Kind::kPut, .asset = DrawOwn(worker, kAssetsOfWriter)};
  step.put_by_client = worker.Below(3) > 0;
  if (!step.put_by_client || worker.Below(4) == 0) step.path = DrawOwn(worker, kPathsOfWriter);
  step.source = eidetic::v1::CAPTION_SOURCE_CLIENT;
  step.captions = DrawCaptions(worker);
  return step;
}

// A new vector for what is there, its captions left alone.
Step DrawReembed(Worker& worker) {
  return {.kind = Step::Kind::kPut, .asset = DrawAsset(worker), .put_by_client = true};
}

Step DrawCaptionEdit(Worker& worker) {
  Step step{.kind = Step::Kind::kCaptions, .asset = DrawAsset(worker)};
  step.source = worker.Below(2) == 0 ? eidetic::v1::CAPTION_SOURCE_CLIENT : eidetic::v1::CAPTION_SOURCE_XMP;
  step.captions = DrawCaptions(worker);
  return step;
}

Step DrawAttach(Worker& worker) {
  return {.kind = Step::Kind::kAttach, .asset = DrawAsset(worker), .path = DrawOwn(worker, kPathsOfWriter)};
}

Step DrawDetach(Worker& worker) {
  return {.kind = Step::Kind::kDetach, .path = DrawOwn(worker, kPathsOfWriter)};
}

Step DrawDelete(Worker& worker) { return {.kind = Step::Kind::kDelete, .asset = DrawAsset(worker)}; }

template <Step (*draw)(Worker&)>
absl::Status CommitOne(Worker& worker) {
  return CommitSteps(worker, {draw(worker)});
}

absl::Status CommitSeveral(Worker& worker) {
  constexpr std::array<Step (*)(Worker&), 6> kDraws = {DrawPut,    DrawReembed, DrawCaptionEdit,
                                                       DrawAttach, DrawDetach,  DrawDelete};
  std::vector<Step> steps;
  for (uint32_t left = 2 + worker.Below(kMostSteps - 1); left > 0; --left) {
    steps.push_back(kDraws[worker.Below(kDraws.size())](worker));
  }
  return CommitSteps(worker, std::move(steps));
}

// Neither changes what the library holds, so an error is the disk's affair: the
// next commit shows whether it is well.
absl::Status SaveSnapshot(Worker& worker) {
  // One engine at a time writes snapshots: none is put in its place meanwhile.
  const absl::ReaderMutexLock gate(&worker.searches.gate);
  worker.searches.Get()->engine->SaveSnapshot().IgnoreError();
  return absl::OkStatus();
}

absl::Status TrimChanges(Worker& worker) {
  const uint64_t last = worker.library.last_sequence();
  worker.library.TrimChanges(last > kTrimBehind ? last - kTrimBehind : 0).IgnoreError();
  return absl::OkStatus();
}

// A backup made while the others write, restored at once: nobody else writes this
// worker's assets, so that of these it must hold exactly what was acknowledged.
// Beside the library, on the real disk: the last power loss must not be its end.
absl::Status BackUpAndRestore(Worker& worker) {
  const std::string backups = absl::StrCat(worker.library.directory(), "-backups-", worker.number);
  const std::string target = absl::StrCat(worker.library.directory(), "-restored-", worker.number);
  // Left by the crash of an earlier cycle.
  EIDETIC_RETURN_IF_ERROR(storage::PosixFileSystem().RemoveAll(target));
  const auto made = worker.library.CreateBackup({.directory = backups, .keep = 2});
  if (!made.ok()) {
    if (worker.disk_fails()) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("failed on a good disk: ", made.status().ToString()));
  }
  const auto check = [&]() -> absl::Status {
    EIDETIC_RETURN_IF_ERROR(
        storage::RestoreBackup({.backup_directory = backups, .library_directory = target}).status());
    EIDETIC_ASSIGN_OR_RETURN(const auto restored, storage::Library::Open(target, {}));
    if (const std::string complaint = CheckVerify(*restored); !complaint.empty()) {
      return absl::DataLossError(complaint);
    }
    if (const std::string complaint = CheckView(*restored); !complaint.empty()) {
      return absl::DataLossError(complaint);
    }
    EIDETIC_RETURN_IF_ERROR(IsVisible(*restored, worker.state, {}).status());
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::Asset> assets,
                             restored->ListAssets(std::nullopt, std::numeric_limits<int>::max() - 1));
    size_t own = 0;
    for (const storage::Asset& asset : assets) {
      const std::optional<uint32_t> number = ParseAssetName(asset.asset_id);
      if (number.has_value() && *number % worker.writers == worker.number) ++own;
    }
    if (own == worker.state.assets.size()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("it holds ", own, " of this writer's assets, not ", worker.state.assets.size()));
  };
  const absl::Status checked = check();
  if (!checked.ok()) {
    return absl::DataLossError(
        absl::StrCat("backup ", made->number, " is not what was acknowledged: ", checked.ToString()));
  }
  return storage::PosixFileSystem().RemoveAll(target);
}

struct Operation {
  const char* name;
  uint32_t weight;
  absl::Status (*run)(Worker&);
};

constexpr std::array kOperations = {
    Operation{"put", 30, CommitOne<DrawPut>},
    Operation{"re-embed", 15, CommitOne<DrawReembed>},
    Operation{"edit captions", 15, CommitOne<DrawCaptionEdit>},
    Operation{"attach path", 8, CommitOne<DrawAttach>},
    Operation{"detach path", 8, CommitOne<DrawDetach>},
    Operation{"delete", 10, CommitOne<DrawDelete>},
    Operation{"several at once", 15, CommitSeveral},
    Operation{"save snapshot", 3, SaveSnapshot},
    Operation{"trim change log", 2, TrimChanges},
    Operation{"back up and restore", 1, BackUpAndRestore},
    Operation{"fill generation", 10, FillGeneration},
    Operation{"switch generation", 2, SwitchGeneration},
    Operation{"drop generation", 1, DropGeneration},
};

}  // namespace

absl::Status CommitSteps(Worker& worker, std::vector<Step> steps, absl::Status* failure) {
  // No switch comes in between: what a commit of the model before gets then is the
  // unit tests' affair.
  const absl::ReaderMutexLock gate(&worker.searches.gate);
  EIDETIC_ASSIGN_OR_RETURN(const auto generation, worker.library.ActiveGeneration());
  const std::optional<Model> model = ModelOf(generation.model_fingerprint());
  if (!model.has_value()) return absl::DataLossError("the library uses a model nobody gave it");
  std::vector<storage::Mutation> mutations;
  std::vector<absl::StatusCode> expected;
  WriterState after = worker.state;
  for (Step& step : steps) {
    if (step.kind == Step::Kind::kPut) step.version = ++after.last_version[step.asset];
    mutations.push_back(MakeMutation(step, *model));
    expected.push_back(ApplyStep(after, step));
  }
  EIDETIC_RETURN_IF_ERROR(worker.journal.Begin(worker.number, steps));
  const auto results = worker.library.Commit(std::move(mutations), generation.model_fingerprint());
  if (!results.ok()) {
    if (!worker.disk_fails()) {
      return absl::DataLossError(absl::StrCat("failed on a good disk: ", results.status().ToString()));
    }
    EIDETIC_ASSIGN_OR_RETURN(const bool visible, IsVisible(worker.library, worker.state, steps));
    if (visible && after.assets != worker.state.assets) {
      return absl::DataLossError(
          absl::StrCat("a commit failed and is there all the same: ", results.status().ToString()));
    }
    worker.state.last_version = after.last_version;
    if (failure != nullptr) *failure = results.status();
    return worker.journal.End(worker.number,
                              storage::MayBeKept(results.status()) ? Outcome::kInDoubt : Outcome::kRefused);
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    if ((*results)[i].code() == expected[i]) continue;
    return absl::DataLossError(absl::StrCat("the answer to \"", ToText(steps[i]), "\" was ",
                                            (*results)[i].ToString(), ", not ",
                                            absl::StatusCodeToString(expected[i])));
  }
  worker.state = std::move(after);
  return worker.journal.End(worker.number, Outcome::kDone);
}

absl::Status RunOperation(Worker& worker) {
  uint32_t total = 0;
  for (const Operation& operation : kOperations) total += operation.weight;
  uint32_t drawn = worker.Below(total);
  for (const Operation& operation : kOperations) {
    if (drawn >= operation.weight) {
      drawn -= operation.weight;
      continue;
    }
    const absl::Status status = operation.run(worker);
    return absl::IsDataLoss(status)
               ? absl::DataLossError(absl::StrCat(operation.name, ": ", status.message()))
               : status;
  }
  return absl::OkStatus();
}

}  // namespace eidetic::stress
