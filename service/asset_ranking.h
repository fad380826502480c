// Which photos a search finds, in which order, one page of them: by vectors, among
// those that pass the filter, together with those that the words name. Stateless;
// any thread.
//
//   EIDETIC_ASSIGN_OR_RETURN(RankedPage page, RankAssets(request, filter, token, 10, query,
//   *session.searched(),
//                                                        session.words, cancellation));
#ifndef EIDETIC_SERVICE_ASSET_RANKING_H_
#define EIDETIC_SERVICE_ASSET_RANKING_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eidetic/service/v1/page_token.pb.h"
#include "eidetic/v1/search_service.pb.h"
#include "searcher/filter_expression.h"
#include "searcher/filtered_search.h"
#include "searcher/query_vector.h"
#include "searcher/search_engine.h"
#include "searcher/word_index.h"
#include "searcher/word_ranking.h"
#include "service/cancellation.h"
#include "service/generation_session.h"

namespace eidetic::service {

struct RankedPage {
  std::vector<searcher::RankedPhoto> photos;
  bool has_more = false;
  // Of the search by vectors.
  searcher::SearchTrace trace;
  // Without what was found; nullopt: there is no filter.
  std::optional<searcher::FilteredMatches> filtered;
  // Empty unless words were looked for.
  bool words_looked_for = false;
  searcher::WordMatches words;
  absl::Duration word_time;
  // Why they could not be.
  std::string words_error;
};

// The texts whose words name photos; none when the request does not want that.
std::vector<std::string> TextsToMatch(const eidetic::v1::SearchRequest& request);

// At most `page_size` photos behind those that `token` tells of. Errors: those of
// FilteredSearch; kFailedPrecondition (the library has changed since `token`).
// Words that cannot be looked for are no error.
absl::StatusOr<RankedPage> RankAssets(const eidetic::v1::SearchRequest& request,
                                      const std::optional<searcher::FilterExpression>& filter,
                                      const eidetic::service::v1::SearchPageToken& token, size_t page_size,
                                      const searcher::QueryVector& query, GenerationSession& searched,
                                      searcher::WordIndex& words, const Cancellation& cancellation);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_ASSET_RANKING_H_
