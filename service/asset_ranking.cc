#include "service/asset_ranking.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"
#include "service/request_validation.h"

namespace eidetic::service {
namespace {

using eidetic::service::v1::SearchPageToken;
using eidetic::v1::SearchRequest;
using searcher::Neighbor;
using searcher::RankedPhoto;

absl::Status CheckUnchanged(const SearchPageToken& token, uint64_t last_sequence) {
  if (token.offset() == 0 || token.last_sequence() == last_sequence) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "page_token is of a state of the library that has changed since: ask again for the first page");
}

// Those behind the token's last hit. A graph search that keeps more candidates may
// rank earlier hits anew; no hit is given twice.
bool IsBehind(const SearchPageToken& token, const Neighbor& neighbor) {
  return neighbor.score < token.last_score() ||
         (neighbor.score == token.last_score() && neighbor.id > token.last_ordinal());
}

class Ranking {
 public:
  Ranking(const SearchRequest& request, const std::optional<searcher::FilterExpression>& filter,
          const SearchPageToken& token, const searcher::QueryVector& query, GenerationSession& searched,
          const Cancellation& cancellation)
      : request_(request),
        filter_(filter),
        token_(token),
        query_(query),
        searched_(searched),
        cancellation_(cancellation) {}

  absl::StatusOr<RankedPage> Page(searcher::WordIndex& words, size_t page_size) && {
    EIDETIC_RETURN_IF_ERROR(FindWords(words));
    // One more than shown tells whether there is a next page.
    const size_t end = std::min<size_t>(token_.offset() + page_size + 1, kMaxRankedHits);
    EIDETIC_RETURN_IF_ERROR(page_.words.photos.empty() ? RankByVectors(end) : RankWithWords(end));
    page_.has_more = page_.photos.size() > page_size;
    if (page_.has_more) page_.photos.resize(page_size);
    return std::move(page_);
  }

 private:
  bool Cancelled() const { return !cancellation_.Check().ok(); }

  absl::Status FindWords(searcher::WordIndex& words) {
    const std::vector<std::string> texts = TextsToMatch(request_);
    if (texts.empty()) return absl::OkStatus();
    const absl::Time began = absl::Now();
    absl::StatusOr<searcher::WordMatches> found = words.Find(texts, [this] { return Cancelled(); });
    EIDETIC_RETURN_IF_ERROR(cancellation_.Check());
    page_.words_looked_for = found.ok();
    page_.word_time = absl::Now() - began;
    if (found.ok()) {
      page_.words = *std::move(found);
    } else {
      page_.words_error = std::string(found.status().message());
    }
    return absl::OkStatus();
  }

  // The `limit` nearest that pass the filter; how they were found is of the first call.
  absl::StatusOr<std::vector<Neighbor>> Nearest(size_t limit) {
    const searcher::VectorSearchOptions options = {
        .limit = limit, .ef_search = request_.ef_search(), .exact = request_.exact(), .filter = {}};
    searcher::ImageMatches matches;
    if (filter_.has_value()) {
      EIDETIC_ASSIGN_OR_RETURN(
          searcher::FilteredMatches filtered,
          searched_.filtered_search.SearchImages(query_, *filter_, options, [this] { return Cancelled(); }));
      matches = std::move(filtered.found);
      if (!page_.filtered.has_value()) page_.filtered = std::move(filtered);
    } else {
      EIDETIC_ASSIGN_OR_RETURN(matches, searched_.engine->SearchImages(query_, options));
    }
    EIDETIC_RETURN_IF_ERROR(CheckUnchanged(token_, matches.trace.last_sequence));
    if (!std::exchange(traced_, true)) page_.trace = std::move(matches.trace);
    return std::move(matches.neighbors);
  }

  absl::Status RankByVectors(size_t end) {
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<Neighbor> nearest, Nearest(end));
    for (const Neighbor& neighbor : nearest) {
      if (token_.offset() == 0 || IsBehind(token_, neighbor)) page_.photos.push_back({.neighbor = neighbor});
    }
    return absl::OkStatus();
  }

  // First those that are ranked by words and vectors, always the same ones, so that
  // pages go together; behind them the others by their vectors.
  absl::Status RankWithWords(size_t end) {
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<Neighbor> nearest, Nearest(searcher::kFusedNeighbors));
    if (page_.filtered.has_value()) {
      std::erase_if(page_.words.photos, [this](const searcher::WordMatch& match) {
        return !page_.filtered->filter.photos->Contains(match.ordinal);
      });
    }
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<RankedPhoto> fused,
                             searcher::FuseWithWords(*searched_.engine, query_, nearest, page_.words));
    for (size_t i = token_.offset(); i < std::min(fused.size(), end); ++i) page_.photos.push_back(fused[i]);
    if (end <= fused.size()) return absl::OkStatus();
    absl::flat_hash_set<uint64_t> given;
    for (const RankedPhoto& photo : fused) given.insert(photo.neighbor.id);
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<Neighbor> more, Nearest(end));
    for (const Neighbor& neighbor : more) {
      if (given.contains(neighbor.id)) continue;
      if (token_.offset() <= fused.size() || IsBehind(token_, neighbor)) {
        page_.photos.push_back({.neighbor = neighbor});
      }
    }
    return absl::OkStatus();
  }

  const SearchRequest& request_;
  const std::optional<searcher::FilterExpression>& filter_;
  const SearchPageToken& token_;
  const searcher::QueryVector& query_;
  GenerationSession& searched_;
  const Cancellation& cancellation_;
  RankedPage page_;
  bool traced_ = false;
};

}  // namespace

std::vector<std::string> TextsToMatch(const SearchRequest& request) {
  std::vector<std::string> texts;
  if (request.no_words()) return texts;
  for (const eidetic::v1::QueryTerm& term : request.terms()) {
    if (term.has_text() && term.weight() >= 0) texts.push_back(term.text());
  }
  return texts;
}

absl::StatusOr<RankedPage> RankAssets(const SearchRequest& request,
                                      const std::optional<searcher::FilterExpression>& filter,
                                      const SearchPageToken& token, size_t page_size,
                                      const searcher::QueryVector& query, GenerationSession& searched,
                                      searcher::WordIndex& words, const Cancellation& cancellation) {
  return Ranking(request, filter, token, query, searched, cancellation).Page(words, page_size);
}

}  // namespace eidetic::service
