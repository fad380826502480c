#include "tests/stress/generation_operations.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "searcher/search_engine.h"
#include "storage/generation.h"

namespace eidetic::stress {
namespace {

using storage::v1::GenerationRecord;

// Assets filled by one operation.
constexpr size_t kFilledAtOnce = 8;

// What happens to a generation while a worker looks at it is no fault: another one
// may drop it. Everything else is one, on a good disk.
absl::Status Judge(const Worker& worker, const absl::Status& status, const char* what) {
  if (status.ok() || absl::IsNotFound(status) || worker.disk_fails()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(what, " failed on a good disk: ", status.ToString()));
}

absl::StatusOr<Model> OtherModel(const storage::Library& library) {
  EIDETIC_ASSIGN_OR_RETURN(const GenerationRecord active, library.ActiveGeneration());
  const std::optional<Model> model = ModelOf(active.model_fingerprint());
  if (!model.has_value()) return absl::DataLossError("the library uses a model nobody gave it");
  return 1 - *model;
}

// What its model makes of an asset. The version is read from the record, as a file
// would be; the library must refuse it when it is another one by then.
absl::StatusOr<storage::GenerationVectors> Encode(const storage::MissingVectors& missing, Model model) {
  storage::GenerationVectors vectors;
  vectors.asset_id = missing.asset.asset_id;
  vectors.embedding_version = missing.asset.record.embedding_version();
  const std::optional<uint32_t> asset = ParseAssetName(missing.asset.asset_id);
  const auto version = missing.asset.record.attributes().find("version");
  uint32_t number = 0;
  if (!asset.has_value() || version == missing.asset.record.attributes().end() ||
      !absl::SimpleAtoi(version->second, &number)) {
    return absl::DataLossError(absl::StrCat("an asset nobody put lacks a vector: ", missing.asset.asset_id));
  }
  if (missing.embedding) vectors.embedding = AssetVector(model, *asset, number);
  for (const storage::CaptionEntry& entry : missing.captions) {
    const std::optional<uint32_t> caption = ParseCaptionText(entry.record.text(), *asset);
    if (!caption.has_value()) return absl::DataLossError("a caption nobody put lacks a vector");
    vectors.captions.push_back({entry.id, entry.record.text(), CaptionVector(model, *asset, *caption)});
  }
  return vectors;
}

// Up to `limit` assets; the number of those that lacked something.
absl::StatusOr<size_t> FillSome(storage::Library& library, const storage::Generation& generation, Model model,
                                size_t limit) {
  EIDETIC_ASSIGN_OR_RETURN(const auto missing, generation.NewView()->ListMissing(std::nullopt, limit));
  std::vector<storage::GenerationVectors> vectors;
  for (const storage::MissingVectors& one : missing) {
    EIDETIC_ASSIGN_OR_RETURN(vectors.emplace_back(), Encode(one, model));
  }
  EIDETIC_ASSIGN_OR_RETURN(
      const std::vector<absl::Status> results,
      library.PutGenerationVectors(generation.number(), generation.model_fingerprint(), std::move(vectors)));
  for (const absl::Status& result : results) {
    // Changed or gone since it was listed.
    if (!absl::IsAborted(result) && !absl::IsNotFound(result)) EIDETIC_RETURN_IF_ERROR(result);
  }
  return missing.size();
}

absl::StatusOr<std::shared_ptr<const storage::Generation>> StartOther(storage::Library& library,
                                                                      Model model) {
  EIDETIC_ASSIGN_OR_RETURN(const GenerationRecord started, library.StartGeneration(ModelRecord(model)));
  return library.OpenGeneration(started.number());
}

absl::Status FillSomeOfOther(Worker& worker) {
  // The gate keeps the other model the other one.
  const absl::ReaderMutexLock gate(&worker.searches.gate);
  EIDETIC_ASSIGN_OR_RETURN(const Model model, OtherModel(worker.library));
  EIDETIC_ASSIGN_OR_RETURN(const auto generation, StartOther(worker.library, model));
  return FillSome(worker.library, *generation, model, 1 + worker.Below(kFilledAtOnce)).status();
}

// With the gate held alone.
absl::Status Switch(Worker& worker) {
  EIDETIC_ASSIGN_OR_RETURN(const Model model, OtherModel(worker.library));
  auto next = std::make_shared<SearchedGeneration>();
  EIDETIC_ASSIGN_OR_RETURN(next->generation, StartOther(worker.library, model));
  searcher::SearchEngineOptions options = worker.engine_options;
  options.generation = next->generation;
  options.follow_changes = false;
  // Sometimes before it is full: what it lacks then must be there after the switch.
  const bool early = worker.Below(2) == 0;
  if (early) {
    EIDETIC_ASSIGN_OR_RETURN(next->engine, searcher::SearchEngine::Open(&worker.library, options));
  }
  for (size_t filled = 1; filled > 0;) {
    EIDETIC_ASSIGN_OR_RETURN(filled, FillSome(worker.library, *next->generation, model, kFilledAtOnce));
  }
  if (!early) {
    EIDETIC_ASSIGN_OR_RETURN(next->engine, searcher::SearchEngine::Open(&worker.library, options));
  }
  EIDETIC_RETURN_IF_ERROR(worker.journal.BeginSwitch(worker.number, next->generation->number()));
  const absl::Status switched = worker.library.SwitchGeneration(next->generation->number(), {});
  const Outcome outcome = switched.ok()                  ? Outcome::kDone
                          : storage::MayBeKept(switched) ? Outcome::kInDoubt
                                                         : Outcome::kRefused;
  EIDETIC_RETURN_IF_ERROR(worker.journal.EndSwitch(worker.number, outcome));
  EIDETIC_RETURN_IF_ERROR(switched);
  EIDETIC_RETURN_IF_ERROR(next->engine->CatchUp());
  const std::shared_ptr<const SearchedGeneration> old = worker.searches.Get();
  worker.searches.Set(next);
  old->engine->StopFollowing();
  next->engine->StartFollowing();
  return absl::OkStatus();
}

}  // namespace

GenerationRecord ModelRecord(Model model) {
  GenerationRecord record;
  record.set_model_name("oracle");
  record.set_model_fingerprint(kFingerprints[model]);
  record.set_dimension(kDimension);
  return record;
}

absl::Status FillGeneration(Worker& worker) {
  return Judge(worker, FillSomeOfOther(worker), "filling a generation");
}

absl::Status SwitchGeneration(Worker& worker) {
  const absl::MutexLock gate(&worker.searches.gate);
  return Judge(worker, Switch(worker), "a switch");
}

absl::Status DropGeneration(Worker& worker) {
  const absl::ReaderMutexLock gate(&worker.searches.gate);
  const auto generations = worker.library.ListGenerations();
  const auto active = worker.library.ActiveGeneration();
  if (!generations.ok() || !active.ok()) return absl::OkStatus();
  for (const storage::GenerationStatus& status : *generations) {
    if (status.record.number() == active->number()) continue;
    return Judge(worker, worker.library.DropGeneration(status.record.number()), "dropping a generation");
  }
  return absl::OkStatus();
}

}  // namespace eidetic::stress
