// Puts the photos that words name among those nearest to a vector: one ranking by
// reciprocal rank fusion (docs/words.md). Stateless; any thread.
//
//   ASSIGN_OR_RETURN(WordMatches words, word_index.Find({"Grandma's 80th"}, {}));
//   ASSIGN_OR_RETURN(ImageMatches nearest, engine.SearchImages(query, {.limit = kFusedNeighbors}));
//   ASSIGN_OR_RETURN(auto ranked, FuseWithWords(engine, query, nearest.neighbors, words));
#ifndef EIDETIC_SEARCHER_WORD_RANKING_H_
#define EIDETIC_SEARCHER_WORD_RANKING_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "searcher/query_vector.h"
#include "searcher/search_engine.h"
#include "searcher/vector_index.h"
#include "searcher/word_index.h"

namespace eidetic::searcher {

// Nearest photos and photos named by words that are ranked together.
inline constexpr size_t kFusedNeighbors = 200;
inline constexpr size_t kFusedWordMatches = 1'000;

struct RankedPhoto {
  Neighbor neighbor;
  // Words found it, these of WordMatches::words.
  bool by_words = false;
  uint32_t words = 0;
};

// `nearest`, best first, and the best of `matches` in one order, each photo once.
// Among photos that words name alike the nearer to `query` come first. Those that
// the engine does not hold are left out. Errors: SearchEngine::SearchImages'.
absl::StatusOr<std::vector<RankedPhoto>> FuseWithWords(const SearchEngine& engine, const QueryVector& query,
                                                       std::span<const Neighbor> nearest,
                                                       const WordMatches& matches);

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_WORD_RANKING_H_
