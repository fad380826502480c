#include "tests/corruption/sample_library.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"

namespace eidetic::corruption {
namespace {

constexpr size_t kQueries = 6;
constexpr size_t kLimit = 10;
constexpr float kScoreTolerance = 1e-5F;

std::vector<float> RandomUnitVector(std::mt19937_64& random, int dimension) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(static_cast<size_t>(dimension));
  double norm = 0;
  for (float& value : vector) {
    value = normal(random);
    norm += static_cast<double>(value) * value;
  }
  for (float& value : vector) value = static_cast<float>(value / std::sqrt(norm));
  return vector;
}

float Dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return static_cast<float>(sum);
}

[[noreturn]] void Stop(const std::string& what, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), status.ToString().c_str());
  std::_Exit(5);
}

void Apply(const storage::Mutation& mutation, storage::Ordinal& next_ordinal, SampleState& state) {
  const auto set_captions = [](const std::vector<storage::CaptionSet>& sets, SampleAsset& asset) {
    for (const storage::CaptionSet& set : sets) {
      asset.captions.clear();
      for (const storage::CaptionInput& caption : set.captions) {
        asset.captions[caption.text] = caption.embedding;
      }
    }
  };
  if (const auto* put = std::get_if<storage::PutAsset>(&mutation)) {
    const auto [entry, is_new] = state.try_emplace(put->asset_id);
    SampleAsset& asset = entry->second;
    if (is_new) asset.ordinal = next_ordinal++;
    if (!put->embedding.empty()) asset.vector = put->embedding;
    if (put->path.has_value()) asset.path = put->path->path;
    set_captions(put->caption_sets, asset);
  } else if (const auto* set = std::get_if<storage::SetCaptions>(&mutation)) {
    set_captions(set->caption_sets, state.at(set->asset_id));
  } else if (const auto* gone = std::get_if<storage::DeleteAsset>(&mutation)) {
    state.erase(gone->asset_id);
  }
}

struct Scored {
  uint64_t id = 0;
  float score = 0;
};

// All of them, best first.
template <typename ForEach>
std::vector<Scored> ScanAll(const std::vector<float>& query, ForEach for_each) {
  std::vector<Scored> scored;
  for_each([&](uint64_t id, const std::vector<float>& vector) {
    scored.push_back({id, Dot(query, vector)});
  });
  std::sort(scored.begin(), scored.end(), [](const Scored& a, const Scored& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
  return scored;
}

std::string CompareHits(const std::vector<Scored>& truth, const std::vector<searcher::Neighbor>& found,
                        bool exact) {
  if (found.size() != std::min(kLimit, truth.size())) return absl::StrCat(found.size(), " hits");
  for (size_t i = 0; i < found.size(); ++i) {
    if (exact && std::abs(found[i].score - truth[i].score) > kScoreTolerance) {
      return absl::StrCat("hit ", i, " has score ", found[i].score, ", the truth ", truth[i].score);
    }
    const auto same =
        std::find_if(truth.begin(), truth.end(), [&](const Scored& t) { return t.id == found[i].id; });
    if (same == truth.end()) return absl::StrCat("hit ", i, " is id ", found[i].id, ", which is not there");
    if (std::abs(same->score - found[i].score) > kScoreTolerance) {
      return absl::StrCat("id ", found[i].id, " has score ", found[i].score, ", its vector ", same->score);
    }
  }
  return "";
}

}  // namespace

SampleLibrary::SampleLibrary(const SampleOptions& options) : options_(options) {
  std::mt19937_64 random(options.seed);
  std::vector<std::string> present;
  uint64_t next = 0;
  const auto captions = [&](uint64_t count) {
    storage::CaptionSet set;
    set.source = eidetic::v1::CAPTION_SOURCE_CLIENT;
    for (uint64_t i = 0; i < count; ++i) {
      set.captions.push_back(
          {absl::StrCat("caption ", random() % 1'000'000), RandomUnitVector(random, options.dimension)});
    }
    return set;
  };
  while (mutations_.size() < options.changes) {
    const uint64_t drawn = random() % 20;
    if (present.size() < 10 || drawn < 16) {
      storage::PutAsset put;
      put.asset_id = absl::StrCat("asset-", random() % 1'000'000'000, "-", next++);
      put.record.set_width(100 + static_cast<uint32_t>(next));
      put.embedding = RandomUnitVector(random, options.dimension);
      put.path.emplace();
      put.path->path = absl::StrCat("/photos/", put.asset_id, ".jpg");
      put.path->record.set_size_bytes(next);
      if (random() % 3 == 0) put.caption_sets.push_back(captions(1 + random() % 2));
      present.push_back(put.asset_id);
      mutations_.emplace_back(std::move(put));
      continue;
    }
    const size_t which = random() % present.size();
    if (drawn == 16) {
      storage::PutAsset put;
      put.asset_id = present[which];
      put.embedding = RandomUnitVector(random, options.dimension);
      mutations_.emplace_back(std::move(put));
    } else if (drawn < 19) {
      mutations_.emplace_back(storage::SetCaptions{present[which], {captions(1 + random() % 2)}});
    } else {
      mutations_.emplace_back(storage::DeleteAsset{present[which]});
      present.erase(present.begin() + static_cast<std::ptrdiff_t>(which));
    }
  }
  for (size_t i = 0; i < kQueries; ++i) queries_.push_back(RandomUnitVector(random, options.dimension));
}

std::unique_ptr<storage::Library> SampleLibrary::Make(const std::string& directory) const {
  auto library = storage::Library::Open(directory, {.create = true, .holder_command = "corpus"});
  if (!library.ok()) Stop("making the sample library", library.status());
  storage::v1::GenerationRecord model;
  model.set_model_name("sample");
  model.set_model_fingerprint("5ample");
  model.set_dimension(static_cast<uint32_t>(options_.dimension));
  if (const absl::Status used = (*library)->UseModel(model); !used.ok()) Stop("setting the model", used);
  return *std::move(library);
}

void SampleLibrary::Write(storage::Library& library, uint64_t from, uint64_t to, uint64_t together) const {
  for (uint64_t i = from; i < to; i += together) {
    const auto first = mutations_.begin() + static_cast<std::ptrdiff_t>(i);
    const auto written =
        library.Commit({first, first + static_cast<std::ptrdiff_t>(std::min(together, to - i))});
    if (!written.ok()) Stop("writing the sample library", written.status());
    for (const absl::Status& status : *written) {
      if (!status.ok()) Stop("writing the sample library", status);
    }
  }
}

const SampleState& SampleLibrary::StateAt(uint64_t changes) const {
  if (state_.has_value() && state_->first == changes) return state_->second;
  state_.emplace(changes, SampleState());
  storage::Ordinal next_ordinal = 0;
  for (uint64_t i = 0; i < changes; ++i) Apply(mutations_[i], next_ordinal, state_->second);
  return state_->second;
}

std::string SampleLibrary::CompareSearches(const storage::Library& library,
                                           const searcher::SearchEngine& engine) const {
  const SampleState& state = StateAt(engine.status().last_sequence);
  const auto generation = library.ActiveGeneration();
  if (!generation.ok()) return absl::StrCat("reading the generation: ", generation.status().ToString());
  const std::string& fingerprint = generation->model_fingerprint();
  for (const std::vector<float>& query : queries_) {
    const std::vector<Scored> photos = ScanAll(query, [&](const auto& visit) {
      for (const auto& [id, asset] : state) visit(asset.ordinal, asset.vector);
    });
    // A caption's id holds a slot that the state does not know: compared by score.
    std::vector<float> captions;
    for (const auto& [id, asset] : state) {
      for (const auto& [text, vector] : asset.captions) captions.push_back(Dot(query, vector));
    }
    std::sort(captions.rbegin(), captions.rend());
    for (const bool exact : {true, false}) {
      const auto found = engine.SearchImages({fingerprint, query}, {.limit = kLimit, .exact = exact});
      if (!found.ok()) return absl::StrCat("searching failed: ", found.status().ToString());
      if (std::string difference = CompareHits(photos, found->neighbors, exact); !difference.empty()) {
        return absl::StrCat(exact ? "exact search: " : "search: ", difference);
      }
      for (const searcher::Neighbor& hit : found->neighbors) {
        const auto id = library.GetAssetId(static_cast<storage::Ordinal>(hit.id));
        if (!id.ok()) return absl::StrCat("hit ", hit.id, ": ", id.status().ToString());
        const auto asset = state.find(*id);
        if (asset == state.end() || asset->second.ordinal != hit.id) {
          return absl::StrCat("hit ", hit.id, " is ", *id);
        }
      }
    }
    const auto found = engine.SearchCaptions({fingerprint, query}, {.limit = kLimit, .exact = true});
    if (!found.ok()) return absl::StrCat("searching captions failed: ", found.status().ToString());
    if (found->neighbors.size() != std::min(kLimit, captions.size())) {
      return absl::StrCat(found->neighbors.size(), " hits of captions");
    }
    for (size_t i = 0; i < found->neighbors.size(); ++i) {
      if (std::abs(found->neighbors[i].score - captions[i]) > kScoreTolerance) {
        return absl::StrCat("caption hit ", i, " has another score");
      }
    }
  }
  return "";
}

std::string SampleLibrary::CompareRecords(const storage::Library& library, absl::Status& error) const {
  const SampleState& state = StateAt(std::min(library.last_sequence(), changes()));
  if (library.last_sequence() > changes()) return "the library is ahead of all changes";
  const auto counts = library.Counts();
  if (!counts.ok()) {
    error = counts.status();
    return "";
  }
  if (counts->assets != state.size()) return absl::StrCat(counts->assets, " assets are counted");
  size_t seen = 0;
  std::optional<storage::Ordinal> after;
  while (true) {
    const auto listed = library.ListAssets(after, 500);
    if (!listed.ok()) {
      error = listed.status();
      break;
    }
    if (listed->empty()) {
      if (seen != state.size()) return absl::StrCat(seen, " assets are listed, not ", state.size());
      break;
    }
    for (const storage::Asset& asset : *listed) {
      after = asset.record.ordinal();
      ++seen;
      if (!state.contains(asset.asset_id)) return absl::StrCat(asset.asset_id, " is there again");
    }
  }
  for (const auto& [id, asset] : state) {
    if (std::string difference = CompareAsset(library, id, asset, error); !difference.empty()) {
      return absl::StrCat(id, ": ", difference);
    }
  }
  return "";
}

std::string SampleLibrary::CompareAsset(const storage::Library& library, const std::string& id,
                                        const SampleAsset& expected, absl::Status& error) const {
  // Not found is a wrong answer; another error is an honest one.
  const auto failed = [&error](const absl::Status& status) {
    if (absl::IsNotFound(status)) return true;
    error = status;
    return false;
  };
  const auto asset = library.GetAsset(id);
  if (!asset.ok()) return failed(asset.status()) ? "not found" : "";
  if (asset->record.ordinal() != expected.ordinal) return "another ordinal";
  if (asset->record.paths_size() != 1 || asset->record.paths(0) != expected.path) return "another path";
  const auto vector = library.GetEmbedding(expected.ordinal);
  if (!vector.ok()) return failed(vector.status()) ? "no vector" : "";
  if (*vector != expected.vector) return "another vector";
  const auto path = library.GetPath(expected.path);
  if (!path.ok()) return failed(path.status()) ? "no path" : "";
  if (path->asset_id() != id) return "its path is another's";
  const auto captions = library.GetCaptions(expected.ordinal);
  const auto vectors = library.GetCaptionEmbeddings(expected.ordinal);
  if (!captions.ok() || !vectors.ok()) {
    error = captions.ok() ? vectors.status() : captions.status();
    return "";
  }
  if (captions->size() != expected.captions.size() || vectors->size() != captions->size()) {
    return absl::StrCat(captions->size(), " captions");
  }
  for (size_t i = 0; i < captions->size(); ++i) {
    const auto text = expected.captions.find((*captions)[i].record.text());
    if (text == expected.captions.end()) return "another caption";
    if (text->second != (*vectors)[i].second) return "a caption has another vector";
  }
  return "";
}

}  // namespace eidetic::corruption
