#include "searcher/word_ranking.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "proto/status_macros.h"
#include "searcher/id_filter.h"

namespace eidetic::searcher {
namespace {

// The constant of reciprocal rank fusion that its authors found to serve well.
constexpr double kRankOffset = 60;
// A photo whose name is the query comes before those that are near or named in part.
constexpr double kNameFactor = 2;

double ReciprocalRank(size_t position) { return 1 / (kRankOffset + static_cast<double>(position) + 1); }

struct Fused {
  RankedPhoto photo;
  double value = 0;
};

// The best matches, in the order of their ranks: those that tie by their vectors.
absl::StatusOr<std::vector<std::pair<RankedPhoto, bool>>> RankMatches(const SearchEngine& engine,
                                                                      const QueryVector& query,
                                                                      std::span<const WordMatch> photos) {
  std::vector<std::pair<RankedPhoto, bool>> ranked;
  for (size_t begin = 0; begin < photos.size() && ranked.size() < kFusedWordMatches;) {
    std::vector<uint64_t> ids;
    absl::flat_hash_map<uint64_t, uint32_t> words;
    size_t end = begin;
    for (; end < photos.size() && photos[end].Ties(photos[begin]); ++end) {
      ids.push_back(photos[end].ordinal);
      words[photos[end].ordinal] = photos[end].words;
    }
    const IdList tied(std::move(ids));
    EIDETIC_ASSIGN_OR_RETURN(
        const ImageMatches found,
        engine.SearchImages(query, {.limit = std::min(end - begin, kFusedWordMatches - ranked.size()),
                                    .exact = true,
                                    .filter = &tied}));
    for (const Neighbor& neighbor : found.neighbors) {
      ranked.push_back(
          {{.neighbor = neighbor, .by_words = true, .words = words[neighbor.id]}, photos[begin].is_name});
    }
    begin = end;
  }
  return ranked;
}

}  // namespace

absl::StatusOr<std::vector<RankedPhoto>> FuseWithWords(const SearchEngine& engine, const QueryVector& query,
                                                       std::span<const Neighbor> nearest,
                                                       const WordMatches& matches) {
  EIDETIC_ASSIGN_OR_RETURN(const auto named, RankMatches(engine, query, matches.photos));
  absl::flat_hash_map<uint64_t, Fused> by_id;
  for (size_t i = 0; i < named.size(); ++i) {
    const auto& [photo, is_name] = named[i];
    by_id[photo.neighbor.id] = {photo, (is_name ? kNameFactor : 1) * ReciprocalRank(i)};
  }
  for (size_t i = 0; i < nearest.size(); ++i) {
    Fused& fused = by_id[nearest[i].id];
    fused.photo.neighbor = nearest[i];
    fused.value += ReciprocalRank(i);
  }
  std::vector<Fused> all;
  all.reserve(by_id.size());
  for (const auto& [id, fused] : by_id) all.push_back(fused);
  std::sort(all.begin(), all.end(), [](const Fused& a, const Fused& b) {
    if (a.value != b.value) return a.value > b.value;
    if (a.photo.by_words != b.photo.by_words) return a.photo.by_words;
    if (a.photo.neighbor.score != b.photo.neighbor.score) {
      return a.photo.neighbor.score > b.photo.neighbor.score;
    }
    return a.photo.neighbor.id < b.photo.neighbor.id;
  });
  std::vector<RankedPhoto> ranked;
  ranked.reserve(all.size());
  for (Fused& fused : all) ranked.push_back(std::move(fused.photo));
  return ranked;
}

}  // namespace eidetic::searcher
