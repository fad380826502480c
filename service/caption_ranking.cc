#include "service/caption_ranking.h"

#include <algorithm>
#include <string>
#include <utility>

#include <unicode/unistr.h>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "proto/status_macros.h"

namespace eidetic::service {
namespace {

// Neighbours looked at before giving up on finding more different texts.
constexpr size_t kMaxNeighbors = 50'000;

// Equal for texts that differ in case and surrounding space only.
std::string TextKey(absl::string_view text) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  std::string key;
  icu::UnicodeString::fromUTF8(icu::StringPiece(trimmed.data(), static_cast<int32_t>(trimmed.size())))
      .foldCase()
      .toUTF8String(key);
  return key;
}

struct RankedTexts {
  std::vector<eidetic::v1::CaptionHit> hits;
  absl::flat_hash_set<std::string> keys;
};

// Up to `limit` different captions of the library, best first.
absl::StatusOr<RankedTexts> RankLibraryCaptions(const searcher::QueryVector& picture, size_t limit,
                                                const CaptionSources& sources,
                                                const Cancellation& cancellation) {
  // Many photos may share one text: ask for more until enough differ.
  for (size_t fetch = limit * 2;; fetch *= 4) {
    EIDETIC_RETURN_IF_ERROR(cancellation.Check());
    EIDETIC_ASSIGN_OR_RETURN(const searcher::CaptionMatches matches,
                             sources.engine->SearchCaptions(picture, {.limit = fetch, .filter = {}}));
    RankedTexts ranked;
    for (const searcher::Neighbor& neighbor : matches.neighbors) {
      if (ranked.hits.size() == limit) break;
      absl::StatusOr<storage::CaptionEntry> entry = sources.library->GetCaption(neighbor.id);
      // Deleted since the index was searched.
      if (absl::IsNotFound(entry.status())) continue;
      EIDETIC_RETURN_IF_ERROR(entry.status());
      if (!ranked.keys.insert(TextKey(entry->record.text())).second) continue;
      absl::StatusOr<std::string> asset_id =
          sources.library->GetAssetId(storage::CaptionOrdinal(neighbor.id));
      if (absl::IsNotFound(asset_id.status())) continue;
      EIDETIC_RETURN_IF_ERROR(asset_id.status());
      eidetic::v1::CaptionHit& hit = ranked.hits.emplace_back();
      hit.set_text(std::move(*entry->record.mutable_text()));
      hit.set_score(neighbor.score);
      hit.set_source(entry->record.source());
      hit.set_asset_id(*std::move(asset_id));
    }
    if (ranked.hits.size() == limit || matches.neighbors.size() < fetch || fetch >= kMaxNeighbors)
      return ranked;
  }
}

}  // namespace

absl::StatusOr<std::vector<eidetic::v1::CaptionHit>> RankCaptions(const searcher::QueryVector& picture,
                                                                  int limit, const CaptionSources& sources,
                                                                  const Cancellation& cancellation) {
  const size_t wanted = static_cast<size_t>(limit);
  RankedTexts ranked;
  if (sources.engine != nullptr) {
    // Twice as many, so that a phrase meets the library's equal text even when
    // rounding put that one a little lower.
    EIDETIC_ASSIGN_OR_RETURN(ranked, RankLibraryCaptions(picture, wanted * 2, sources, cancellation));
  }
  EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  if (sources.phrases != nullptr && sources.phrases->vectors != nullptr) {
    if (sources.phrases->model_fingerprint != picture.model_fingerprint()) {
      return absl::FailedPreconditionError("the picture's vector and the phrases are of two models");
    }
    EIDETIC_ASSIGN_OR_RETURN(
        const std::vector<searcher::Neighbor> neighbors,
        sources.phrases->vectors->Search(
            picture.values(), {.limit = wanted + ranked.keys.size(), .exact = true, .filter = {}}));
    for (const searcher::Neighbor& neighbor : neighbors) {
      const std::string& phrase = sources.phrases->phrases[neighbor.id];
      if (!ranked.keys.insert(TextKey(phrase)).second) continue;
      eidetic::v1::CaptionHit& hit = ranked.hits.emplace_back();
      hit.set_text(phrase);
      hit.set_score(neighbor.score);
      hit.set_source(eidetic::v1::CAPTION_SOURCE_PHRASE_BANK);
    }
  }
  // Stable: of equal scores the library's text comes first.
  std::stable_sort(ranked.hits.begin(), ranked.hits.end(),
                   [](const auto& a, const auto& b) { return a.score() > b.score(); });
  if (ranked.hits.size() > wanted) ranked.hits.resize(wanted);
  for (size_t i = 0; i < ranked.hits.size(); ++i) ranked.hits[i].set_rank(static_cast<int32_t>(i) + 1);
  return std::move(ranked.hits);
}

}  // namespace eidetic::service
