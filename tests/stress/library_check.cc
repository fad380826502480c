#include "tests/stress/library_check.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/status_macros.h"

namespace eidetic::stress {
namespace {

using searcher::Neighbor;

constexpr float kScoreTolerance = 1e-5F;
// An index may be this many versions of an asset behind, and a client ahead.
constexpr uint32_t kVersionsBehind = 256;
// Differences told of one writer.
constexpr int kToldDifferences = 4;

float Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return static_cast<float>(sum);
}

std::vector<float> RandomQuery(std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> query(kDimension);
  for (float& value : query) value = normal(random);
  return query;
}

// What the library holds of one asset. kDataLoss: parts that do not fit.
absl::StatusOr<AssetState> ReadAssetState(const storage::Library& library, const storage::Asset& asset,
                                          uint32_t number) {
  const storage::Ordinal ordinal = asset.record.ordinal();
  AssetState state;
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<float> vector, library.GetEmbedding(ordinal));
  const std::optional<VectorOwner> owner = OwnerOf(vector);
  if (!owner.has_value() || owner->is_caption || owner->asset != number) {
    return absl::DataLossError(absl::StrCat(asset.asset_id, " has the vector of something else"));
  }
  state.version = owner->number;
  const auto version = asset.record.attributes().find("version");
  if (version == asset.record.attributes().end() || version->second != absl::StrCat(state.version)) {
    return absl::DataLossError(
        absl::StrCat(asset.asset_id, " has a record and a vector of different versions"));
  }
  state.put_by_client = asset.record.put_by_client();
  for (const std::string& path : asset.record.paths()) {
    const std::optional<uint32_t> path_number = ParsePathName(path);
    EIDETIC_ASSIGN_OR_RETURN(const auto record, library.GetPath(path));
    if (!path_number.has_value() || record.asset_id() != asset.asset_id) {
      return absl::DataLossError(absl::StrCat(path, " of ", asset.asset_id, " belongs to another asset"));
    }
    state.paths.insert(*path_number);
  }
  EIDETIC_ASSIGN_OR_RETURN(const auto captions, library.GetCaptions(ordinal));
  EIDETIC_ASSIGN_OR_RETURN(const auto vectors, library.GetCaptionEmbeddings(ordinal));
  if (captions.size() != vectors.size()) {
    return absl::DataLossError(absl::StrCat(asset.asset_id, " has ", captions.size(), " captions and ",
                                            vectors.size(), " vectors of captions"));
  }
  for (size_t i = 0; i < captions.size(); ++i) {
    const std::optional<VectorOwner> caption = OwnerOf(vectors[i].second);
    if (captions[i].id != vectors[i].first || !caption.has_value() || !caption->is_caption ||
        caption->asset != number || captions[i].record.text() != CaptionText(number, caption->number)) {
      return absl::DataLossError(absl::StrCat("caption ", captions[i].id, " of ", asset.asset_id,
                                              " has the vector of something else"));
    }
    state.captions[captions[i].record.source()].insert(caption->number);
  }
  return state;
}

std::string Difference(const std::map<uint32_t, AssetState>& expected,
                       const std::map<uint32_t, AssetState>& found) {
  std::string text;
  std::set<uint32_t> numbers;
  for (const auto& [number, state] : expected) numbers.insert(number);
  for (const auto& [number, state] : found) numbers.insert(number);
  int more = 0;
  for (const uint32_t number : numbers) {
    const auto want = expected.find(number);
    const auto have = found.find(number);
    if (want != expected.end() && have != found.end() && want->second == have->second) continue;
    if (++more > kToldDifferences) continue;
    absl::StrAppend(&text, "; ", AssetName(number), ": expected ",
                    want == expected.end() ? "nothing" : absl::StrCat("[", ToText(want->second), "]"),
                    ", found ",
                    have == found.end() ? "nothing" : absl::StrCat("[", ToText(have->second), "]"));
  }
  if (more > kToldDifferences) absl::StrAppend(&text, "; and ", more - kToldDifferences, " more");
  return text;
}

std::string Told(const std::vector<Step>& steps) {
  if (steps.empty()) return "nothing";
  return absl::StrJoin(steps, " | ", [](std::string* out, const Step& step) { out->append(ToText(step)); });
}

class Checker {
 public:
  Checker(const storage::Library& library, searcher::SearchEngine& engine, std::mt19937_64& random)
      : library_(library), engine_(engine), random_(random) {}

  CheckResult Run(const Journal& journal) {
    if (std::string faults = CheckVerify(library_); !faults.empty()) Complain(std::move(faults));
    result_.states.resize(journal.writers().size());
    Note(ReadAll());
    for (size_t writer = 0; writer < journal.writers().size(); ++writer) {
      Compare(writer, journal.writers()[writer]);
    }
    Note(CompareGenerations(journal.switches()));
    Note(CompareCounts());
    Note(CompareIndex());
    return std::move(result_);
  }

 private:
  void Complain(std::string complaint) { result_.complaints.push_back(std::move(complaint)); }
  void Note(const absl::Status& status) {
    if (!status.ok()) Complain(std::string(status.message()));
  }

  absl::Status ReadAll() {
    std::optional<storage::Ordinal> after;
    while (true) {
      EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::Asset> assets, library_.ListAssets(after, 256));
      if (assets.empty()) return absl::OkStatus();
      for (const storage::Asset& asset : assets) {
        after = asset.record.ordinal();
        const std::optional<uint32_t> number = ParseAssetName(asset.asset_id);
        if (!number.has_value()) {
          Complain(absl::StrCat("there is an asset nobody put: ", asset.asset_id));
          continue;
        }
        absl::StatusOr<AssetState> state = ReadAssetState(library_, asset, *number);
        Note(state.status());
        if (!state.ok()) continue;
        names_[asset.record.ordinal()] = *number;
        paths_ += state->paths.size();
        for (const auto& [source, captions] : state->captions) captions_ += captions.size();
        result_.states[*number % result_.states.size()].assets[*number] = *std::move(state);
      }
    }
  }

  // All that was acknowledged, and of what was not all or nothing.
  void Compare(size_t writer, const WriterJournal& journal) {
    WriterState& found = result_.states[writer];
    found.last_version = journal.state.last_version;
    // Of what was not acknowledged nothing, or one, whole: that in doubt or that
    // under way. The second is tried only once the first is certain not to be there.
    static const std::vector<Step> kNone;
    for (const std::vector<Step>* maybe : {&kNone, &journal.in_doubt, &journal.pending}) {
      WriterState expected = journal.state;
      for (const Step& step : *maybe) ApplyStep(expected, step);
      if (expected.assets != found.assets) continue;
      if (!journal.pending.empty() || !journal.in_doubt.empty()) {
        (maybe->empty() ? result_.pending_absent : result_.pending_there) += 1;
      }
      return;
    }
    Complain(absl::StrCat("writer ", writer, " was promised something else",
                          Difference(journal.state.assets, found.assets),
                          "; under way: ", Told(journal.pending), "; in doubt: ", Told(journal.in_doubt)));
  }

  // The one in use is that of the last switch, and every row is of its generation's
  // model and of its asset as it is.
  absl::Status CompareGenerations(const SwitchJournal& switches) {
    EIDETIC_ASSIGN_OR_RETURN(const storage::v1::GenerationRecord active, library_.ActiveGeneration());
    result_.active_generation = active.number();
    if (switches.active != 0 && active.number() != switches.active && active.number() != switches.maybe) {
      Complain(absl::StrCat("generation ", active.number(), " is in use; the last switch was to ",
                            switches.active, ", under way was one to ", switches.maybe));
    }
    EIDETIC_ASSIGN_OR_RETURN(const auto generations, library_.ListGenerations());
    for (const storage::GenerationStatus& status : generations) {
      EIDETIC_ASSIGN_OR_RETURN(const auto generation, library_.OpenGeneration(status.record.number()));
      EIDETIC_RETURN_IF_ERROR(CheckRows(*generation));
    }
    return absl::OkStatus();
  }

  absl::Status CheckRows(const storage::Generation& generation) {
    const std::optional<Model> model = ModelOf(generation.model_fingerprint());
    const auto wrong = [&](const std::string& what) {
      Complain(absl::StrCat("generation ", generation.number(), " holds for ", what,
                            " the vector of something else"));
    };
    const auto view = generation.NewView();
    EIDETIC_RETURN_IF_ERROR(
        view->ForEachEmbedding([&](storage::Ordinal ordinal, std::span<const float> vector) {
          const std::optional<VectorOwner> owner = OwnerOf(vector);
          const auto name = names_.find(ordinal);
          if (!owner.has_value() || name == names_.end() || owner->is_caption || owner->model != model ||
              owner->asset != name->second || owner->number != StateOf(name->second).version) {
            wrong(absl::StrCat("row ", ordinal));
          }
          return absl::OkStatus();
        }));
    return view->ForEachCaptionEmbedding(
        [&](storage::CaptionId id, std::span<const float> vector) -> absl::Status {
          const std::optional<VectorOwner> owner = OwnerOf(vector);
          EIDETIC_ASSIGN_OR_RETURN(const storage::CaptionEntry caption, library_.GetCaption(id));
          if (!owner.has_value() || !owner->is_caption || owner->model != model ||
              caption.record.text() != CaptionText(owner->asset, owner->number)) {
            wrong(absl::StrCat("caption ", id));
          }
          return absl::OkStatus();
        });
  }

  const AssetState& StateOf(uint32_t number) {
    return result_.states[number % result_.states.size()].assets[number];
  }

  absl::Status CompareCounts() {
    EIDETIC_ASSIGN_OR_RETURN(const storage::LibraryCounts counts, library_.Counts());
    if (counts.assets != names_.size() || counts.paths != paths_ || counts.captions != captions_) {
      Complain(absl::StrCat("the counters say ", counts.assets, " assets, ", counts.paths, " paths, ",
                            counts.captions, " captions; there are ", names_.size(), ", ", paths_, ", ",
                            captions_));
    }
    return absl::OkStatus();
  }

  absl::Status CompareIndex() {
    EIDETIC_RETURN_IF_ERROR(engine_.CatchUp());
    const searcher::SearchEngineStatus status = engine_.status();
    if (status.last_sequence != library_.last_sequence() && !names_.empty()) {
      Complain(absl::StrCat("the index is at change ", status.last_sequence, ", the library at ",
                            library_.last_sequence()));
    }
    // A snapshot may be old or absent after a crash, never damaged or ahead.
    for (const char* damage : {"checksum", "missing", "bytes", "lacks", "not a manifest",
                               "snapshot is of change", "another database"}) {
      if (absl::StrContains(status.origin_detail, damage)) {
        Complain(absl::StrCat("the crash left a bad snapshot: ", status.origin_detail));
      }
    }
    std::map<uint64_t, std::vector<float>> images;
    std::map<uint64_t, std::vector<float>> captions;
    EIDETIC_ASSIGN_OR_RETURN(const auto generation, library_.OpenGeneration(0));
    const auto view = generation->NewView();
    EIDETIC_RETURN_IF_ERROR(
        view->ForEachEmbedding([&](storage::Ordinal ordinal, std::span<const float> vector) {
          images[ordinal].assign(vector.begin(), vector.end());
          return absl::OkStatus();
        }));
    EIDETIC_RETURN_IF_ERROR(
        view->ForEachCaptionEmbedding([&](storage::CaptionId id, std::span<const float> vector) {
          captions[id].assign(vector.begin(), vector.end());
          return absl::OkStatus();
        }));
    for (int i = 0; i < 4; ++i) {
      std::vector<float> query = RandomQuery(random_);
      if (i % 2 == 0 && !images.empty()) {
        query = std::next(images.begin(), static_cast<std::ptrdiff_t>(random_() % images.size()))->second;
      }
      for (const bool exact : {true, false}) {
        const searcher::VectorSearchOptions options{.limit = images.size() + captions.size() + 8,
                                                    .exact = exact};
        EIDETIC_ASSIGN_OR_RETURN(const auto found_images,
                                 engine_.SearchImages({generation->model_fingerprint(), query}, options));
        CompareHits("photos", query, images, found_images.neighbors,
                    found_images.trace.kind == searcher::IndexKind::kExact);
        EIDETIC_ASSIGN_OR_RETURN(const auto found_captions,
                                 engine_.SearchCaptions({generation->model_fingerprint(), query}, options));
        CompareHits("captions", query, captions, found_captions.neighbors,
                    found_captions.trace.kind == searcher::IndexKind::kExact);
      }
    }
    return absl::OkStatus();
  }

  // Against a scan of the library's own vectors. A graph may miss some, but what
  // it finds must be right.
  void CompareHits(const char* what, std::span<const float> query,
                   const std::map<uint64_t, std::vector<float>>& vectors, const std::vector<Neighbor>& hits,
                   bool exact) {
    if (exact && hits.size() != vectors.size()) {
      Complain(absl::StrCat("a search found ", hits.size(), " of ", vectors.size(), " ", what));
    }
    std::set<uint64_t> seen;
    for (size_t i = 0; i < hits.size(); ++i) {
      const auto vector = vectors.find(hits[i].id);
      if (vector == vectors.end()) {
        Complain(absl::StrCat("a search of ", what, " found ", hits[i].id, ", which is not in the library"));
      } else if (std::abs(Dot(query, vector->second) - hits[i].score) > kScoreTolerance * 8) {
        Complain(absl::StrCat("a search of ", what, " gave ", hits[i].id, " the score ", hits[i].score,
                              ", it has ", Dot(query, vector->second)));
      }
      if (!seen.insert(hits[i].id).second) Complain(absl::StrCat("a search of ", what, " found one twice"));
      if (i > 0 && hits[i].score > hits[i - 1].score)
        Complain(absl::StrCat("hits of ", what, " are out of order"));
    }
  }

  const storage::Library& library_;
  searcher::SearchEngine& engine_;
  std::mt19937_64& random_;
  CheckResult result_;
  std::map<storage::Ordinal, uint32_t> names_;
  uint64_t paths_ = 0;
  uint64_t captions_ = 0;
};

}  // namespace

CheckResult CheckLibrary(const storage::Library& library, searcher::SearchEngine& engine,
                         const Journal& journal, std::mt19937_64& random) {
  return Checker(library, engine, random).Run(journal);
}

absl::StatusOr<bool> IsVisible(const storage::Library& library, const WriterState& before,
                               const std::vector<Step>& steps) {
  WriterState after = before;
  for (const Step& step : steps) ApplyStep(after, step);
  std::set<uint32_t> touched;
  for (const auto& [number, state] : before.assets) touched.insert(number);
  for (const auto& [number, state] : after.assets) touched.insert(number);
  std::map<uint32_t, AssetState> found;
  for (const uint32_t number : touched) {
    const absl::StatusOr<storage::Asset> asset = library.GetAsset(AssetName(number));
    if (absl::IsNotFound(asset.status())) continue;
    EIDETIC_RETURN_IF_ERROR(asset.status());
    EIDETIC_ASSIGN_OR_RETURN(found[number], ReadAssetState(library, *asset, number));
  }
  if (found == after.assets) return true;
  if (found == before.assets) return false;
  return absl::DataLossError(
      absl::StrCat("a commit that failed is half there", Difference(before.assets, found)));
}

std::string CheckSearch(const SearchedGeneration& searched, std::mt19937_64& random) {
  const std::vector<float> query = RandomQuery(random);
  const storage::Generation& generation = *searched.generation;
  const std::optional<Model> model = ModelOf(generation.model_fingerprint());
  const auto found = searched.engine->SearchImages({generation.model_fingerprint(), query}, {.limit = 5});
  if (!found.ok()) return absl::StrCat("a search failed: ", found.status().ToString());
  for (const Neighbor& hit : found->neighbors) {
    const auto vector = generation.GetEmbedding(static_cast<storage::Ordinal>(hit.id));
    // Deleted meanwhile, or changed while its generation stood by.
    if (absl::IsNotFound(vector.status())) continue;
    if (!vector.ok()) return absl::StrCat("reading a hit failed: ", vector.status().ToString());
    const std::optional<VectorOwner> owner = OwnerOf(*vector);
    if (!owner.has_value() || owner->model != model) {
      return absl::StrCat("row ", hit.id, " holds nobody's vector, or one of another model");
    }
    const uint32_t newest = owner->number;
    bool known = false;
    for (uint32_t back = 0; back <= kVersionsBehind && back < newest && !known; ++back) {
      known = std::abs(Dot(query, AssetVector(*model, owner->asset, newest - back)) - hit.score) <
              kScoreTolerance * 8;
    }
    if (!known) {
      return absl::StrCat("a search gave ", AssetName(owner->asset), " (row ", hit.id, ") the score ",
                          hit.score, ", which none of its vectors has");
    }
  }
  return "";
}

std::string CheckView(const storage::Library& library) {
  std::string complaint;
  const auto view = library.NewView();
  const absl::Status status =
      view->ForEachEmbedding([&](storage::Ordinal ordinal, std::span<const float> vector) -> absl::Status {
        const std::optional<VectorOwner> owner = OwnerOf(vector);
        const absl::StatusOr<std::string> id = library.GetAssetId(ordinal);
        if (absl::IsNotFound(id.status())) return absl::OkStatus();  // deleted since
        EIDETIC_RETURN_IF_ERROR(id.status());
        if (!owner.has_value() || owner->is_caption || *id != AssetName(owner->asset)) {
          complaint = absl::StrCat("row ", ordinal, " of ", *id, " holds another asset's vector");
        }
        return absl::OkStatus();
      });
  return status.ok() ? complaint : absl::StrCat("reading a view failed: ", status.ToString());
}

std::string CheckVerify(const storage::Library& library) {
  std::string complaint;
  const absl::Status status = library.VerifyAll(
      [&](const storage::Fault& fault) {
        absl::StrAppend(&complaint, complaint.empty() ? "verify: " : "; ", fault.place, " ", fault.key, " ",
                        fault.message);
      },
      [](uint64_t, uint64_t) { return true; });
  return status.ok() ? complaint : absl::StrCat("verify failed: ", status.ToString());
}

}  // namespace eidetic::stress
