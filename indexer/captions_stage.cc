// The last stage of an indexing run: texts of the captions file become captions
// of the photos they name. What is stored already is not embedded again.

#include <algorithm>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "indexer/indexing_run.h"
#include "proto/status_macros.h"

namespace eidetic::indexer {
namespace {

// Texts embedded and assets committed at a time: what a stop can lose.
constexpr size_t kTextsAtOnce = 1'024;

}  // namespace

absl::Status IndexingRun::AttachCaptions(const CaptionFile& file) {
  EIDETIC_ASSIGN_OR_RETURN(std::vector<Captioned> assets, MatchCaptions(file));
  EIDETIC_RETURN_IF_ERROR(DropStored(assets));
  size_t total = 0;
  for (const Captioned& asset : assets) total += asset.texts.size();
  captions_total_ = total;
  stage_ = IndexProgress::Stage::kCaptions;
  size_t first = 0;
  while (first < assets.size() && !Stopped()) {
    size_t texts = 0;
    size_t last = first;
    while (last < assets.size() && texts < kTextsAtOnce) texts += assets[last++].texts.size();
    EIDETIC_RETURN_IF_ERROR(CommitCaptions(std::span<const Captioned>(assets).subspan(first, last - first)));
    captions_done_ += texts;
    first = last;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<IndexingRun::Captioned>> IndexingRun::MatchCaptions(const CaptionFile& file) {
  std::vector<Captioned> assets;
  // Copies of one photo may be named apart; their texts come together.
  absl::flat_hash_map<std::string, size_t> place;
  size_t strangers = 0;
  std::string first_stranger;
  for (const CaptionFile::Image& image : file.images) {
    const absl::StatusOr<std::string> asset_id = FindCaptioned(image.name);
    if (absl::IsNotFound(asset_id.status())) {
      if (strangers++ == 0) first_stranger = image.name;
      continue;
    }
    EIDETIC_RETURN_IF_ERROR(asset_id.status());
    const auto [found, added] = place.emplace(*asset_id, assets.size());
    if (added) assets.push_back({*asset_id, {}});
    std::vector<std::string>& texts = assets[found->second].texts;
    for (const std::string& text : image.captions) {
      if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
    }
  }
  if (strangers > 0) {
    Fail(request_.captions_path,
         absl::NotFoundError(absl::StrCat(strangers, " of ", file.images.size(),
                                          " images named there are not in the library; the "
                                          "first: ",
                                          first_stranger)));
  }
  return assets;
}

absl::StatusOr<std::string> IndexingRun::FindCaptioned(const std::string& name) const {
  std::vector<std::string> candidates;
  if (absl::StartsWith(name, "/")) {
    candidates.push_back(name);
  } else {
    const std::string& captions = request_.captions_path;
    candidates.push_back(absl::StrCat(captions.substr(0, captions.rfind('/') + 1), name));
    for (const std::string& root : request_.roots) {
      candidates.push_back(absl::EndsWith(root, "/") ? absl::StrCat(root, name)
                                                     : absl::StrCat(root, "/", name));
    }
    const auto unique = path_of_name_.find(name.substr(name.rfind('/') + 1));
    if (unique != path_of_name_.end() && !unique->second.empty()) candidates.push_back(unique->second);
  }
  for (const std::string& candidate : candidates) {
    absl::StatusOr<storage::v1::PathRecord> path = library_->GetPath(candidate);
    if (path.ok()) return path->asset_id();
    if (!absl::IsNotFound(path.status())) return path.status();
  }
  return absl::NotFoundError(name);
}

// Leaves out the assets that have just these captions already.
absl::Status IndexingRun::DropStored(std::vector<Captioned>& assets) {
  std::vector<Captioned> changed;
  for (Captioned& wanted : assets) {
    if (Stopped()) return absl::OkStatus();
    EIDETIC_ASSIGN_OR_RETURN(const storage::Asset asset, library_->GetAsset(wanted.asset_id));
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::CaptionEntry> stored,
                             library_->GetCaptions(asset.record.ordinal()));
    std::set<absl::string_view> texts;
    for (const storage::CaptionEntry& entry : stored) {
      if (entry.record.source() == eidetic::v1::CAPTION_SOURCE_CAPTIONS_FILE)
        texts.insert(entry.record.text());
    }
    if (texts != std::set<absl::string_view>(wanted.texts.begin(), wanted.texts.end())) {
      changed.push_back(std::move(wanted));
    }
  }
  assets = std::move(changed);
  return absl::OkStatus();
}

absl::Status IndexingRun::CommitCaptions(std::span<const Captioned> assets) {
  // The same sentence is often said of several photos.
  absl::flat_hash_map<std::string, size_t> row_of;
  std::vector<std::string> texts;
  for (const Captioned& asset : assets) {
    for (const std::string& text : asset.texts) {
      if (row_of.emplace(text, texts.size()).second) texts.push_back(text);
    }
  }
  EIDETIC_ASSIGN_OR_RETURN(const encoder::Embeddings embeddings, encoder_->EncodeTexts(texts));
  std::vector<storage::Mutation> mutations;
  for (const Captioned& asset : assets) {
    storage::CaptionSet set;
    set.source = eidetic::v1::CAPTION_SOURCE_CAPTIONS_FILE;
    for (const std::string& text : asset.texts) {
      const std::span<const float> values = embeddings.row(row_of.at(text));
      set.captions.push_back({text, {values.begin(), values.end()}});
    }
    mutations.push_back(storage::SetCaptions{asset.asset_id, {std::move(set)}});
  }
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<absl::Status> results,
                           library_->Commit(std::move(mutations), encoder_->info().fingerprint));
  uint64_t attached = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].ok()) {
      attached += assets[i].texts.size();
    } else {
      Fail(request_.captions_path, AddContext(results[i], absl::StrCat("captions of ", assets[i].asset_id)));
    }
  }
  const absl::MutexLock lock(&mutex_);
  summary_.captions += attached;
  return absl::OkStatus();
}

}  // namespace eidetic::indexer
