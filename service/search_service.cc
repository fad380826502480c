#include "service/search_service.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "eidetic/service/v1/page_token.pb.h"
#include "proto/status_macros.h"
#include "service/asset_proto.h"
#include "service/asset_ranking.h"
#include "service/call_boundary.h"
#include "service/caption_ranking.h"
#include "service/query_vector.h"
#include "service/request_validation.h"

namespace eidetic::service {
namespace {

using eidetic::service::v1::SearchPageToken;
using eidetic::v1::SearchRequest;

constexpr int kStandardSearchPage = 10;
constexpr int kStandardCaptionPage = 5;

// Of what decides the ranking: a token goes with the same question only.
absl::StatusOr<std::string> RankingDigest(const SearchRequest& request) {
  SearchRequest ranking = request;
  ranking.clear_page_token();
  ranking.clear_page_size();
  ranking.clear_explain();
  return Digest(ranking.SerializeAsString());
}

// The empty token (offset 0) for the first page.
absl::StatusOr<SearchPageToken> ReadPageToken(const SearchRequest& request, const PageTokenCodec& codec) {
  SearchPageToken token;
  if (request.page_token().empty()) return token;
  EIDETIC_RETURN_IF_ERROR(codec.Decode(request.page_token(), token));
  EIDETIC_ASSIGN_OR_RETURN(const std::string digest, RankingDigest(request));
  if (token.request_digest() != digest) {
    return InvalidField("page_token", "belongs to another request: only page_size and explain may change");
  }
  return token;
}

absl::StatusOr<std::string> NextPageToken(const SearchRequest& request, uint32_t offset,
                                          uint64_t last_sequence, const searcher::Neighbor& last,
                                          const PageTokenCodec& codec) {
  SearchPageToken token;
  token.set_offset(offset);
  token.set_last_sequence(last_sequence);
  token.set_last_score(last.score);
  token.set_last_ordinal(static_cast<uint32_t>(last.id));
  EIDETIC_ASSIGN_OR_RETURN(*token.mutable_request_digest(), RankingDigest(request));
  return codec.Encode(token);
}

// Leaves out hits below `least_confidence` that words did not find. `words` are
// those that RankedPhoto::words counts. Null `calibration`: hits have no confidence.
absl::Status FillHits(const std::vector<searcher::RankedPhoto>& photos, std::span<const std::string> words,
                      uint32_t offset, const searcher::ScoreCalibration* calibration, float least_confidence,
                      const storage::Library& library, ModelSession& model,
                      eidetic::v1::SearchResponse& response) {
  std::vector<storage::Ordinal> ordinals;
  ordinals.reserve(photos.size());
  for (const searcher::RankedPhoto& photo : photos) {
    ordinals.push_back(static_cast<storage::Ordinal>(photo.neighbor.id));
  }
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::optional<storage::Asset>> assets,
                           library.GetAssets(ordinals));
  for (size_t i = 0; i < photos.size(); ++i) {
    const float score = photos[i].neighbor.score;
    // Deleted since the index was searched.
    if (!assets[i].has_value()) continue;
    std::optional<float> confidence;
    if (calibration != nullptr) {
      EIDETIC_ASSIGN_OR_RETURN(const auto generation, model.Generation());
      const auto vector = generation->GetEmbedding(ordinals[i]);
      if (absl::IsNotFound(vector.status())) continue;
      EIDETIC_RETURN_IF_ERROR(vector.status());
      EIDETIC_ASSIGN_OR_RETURN(confidence, calibration->Confidence(score, *vector));
      if (*confidence < least_confidence && !photos[i].by_words) {
        response.set_unsure_count(response.unsure_count() + 1);
        continue;
      }
    }
    EIDETIC_ASSIGN_OR_RETURN(eidetic::v1::Asset asset, MakeAssetProto(*assets[i], library));
    eidetic::v1::SearchHit* hit = response.add_hits();
    hit->set_rank(static_cast<int32_t>(offset + i) + 1);
    hit->set_score(score);
    if (confidence.has_value()) hit->set_confidence(*confidence);
    *hit->mutable_asset() = std::move(asset);
    for (size_t word = 0; word < words.size(); ++word) {
      if ((photos[i].words >> word & 1) != 0) hit->add_matched_words(words[word]);
    }
  }
  return absl::OkStatus();
}

void ExplainFilter(const searcher::FilteredMatches& filtered, eidetic::v1::SearchExplanation& explanation) {
  constexpr double kNanosPerMicro = 1e3;
  explanation.set_plan(searcher::QueryPlanName(filtered.decision.plan));
  explanation.set_reason(filtered.decision.reason);
  eidetic::v1::FilterExplanation& filter = *explanation.mutable_filter();
  filter.set_matching_count(filtered.filter.photos->Cardinality());
  filter.set_filter_micros(absl::ToInt64Microseconds(filtered.filter_time));
  filter.set_cached(filtered.filter.cached);
  filter.set_estimated_exact_micros(filtered.decision.exact_ns / kNanosPerMicro);
  filter.set_estimated_graph_micros(filtered.decision.graph_ns / kNanosPerMicro);
  filter.set_estimated_comparisons(filtered.decision.comparisons);
  filter.set_last_sequence(filtered.filter.last_sequence);
}

void ExplainWords(const RankedPage& ranked, eidetic::v1::SearchExplanation& explanation) {
  eidetic::v1::WordExplanation& words = *explanation.mutable_words();
  words.mutable_words()->Assign(ranked.words.words.begin(), ranked.words.words.end());
  words.set_matching_count(ranked.words.photos.size());
  words.set_word_micros(absl::ToInt64Microseconds(ranked.word_time));
  words.set_last_sequence(ranked.words.last_sequence);
}

// Splits the time of a call into its stages.
class Stopwatch {
 public:
  int64_t LapMicros() {
    const absl::Time now = absl::Now();
    return absl::ToInt64Microseconds(now - std::exchange(last_, now));
  }

 private:
  absl::Time last_ = absl::Now();
};

}  // namespace

grpc::Status SearchServiceImpl::Search(grpc::ServerContext* context, const SearchRequest* request,
                                       eidetic::v1::SearchResponse* response) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation& cancellation) {
    return FindAssets(*request, cancellation, *response);
  });
}

grpc::Status SearchServiceImpl::Caption(grpc::ServerContext* context,
                                        const eidetic::v1::CaptionRequest* request,
                                        eidetic::v1::CaptionResponse* response) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation& cancellation) {
    return FindCaptions(*request, cancellation, *response);
  });
}

absl::Status SearchServiceImpl::FindAssets(const SearchRequest& request, const Cancellation& cancellation,
                                           eidetic::v1::SearchResponse& response) {
  FieldViolations violations;
  CheckSearchRequest(request, violations);
  const std::optional<searcher::FilterExpression> filter =
      CheckFilter(request.filter(), "filter", violations);
  EIDETIC_RETURN_IF_ERROR(violations.ToStatus());
  EIDETIC_ASSIGN_OR_RETURN(const SearchPageToken page, ReadPageToken(request, session_->search_pages));
  const size_t page_size = static_cast<size_t>(EffectivePageSize(request.page_size(), kStandardSearchPage));

  Stopwatch stopwatch;
  const std::shared_ptr<GenerationSession> searched = session_->searched();
  // They are read, the first time, while the query is encoded.
  if (!TextsToMatch(request).empty()) session_->words.Prepare();
  EIDETIC_ASSIGN_OR_RETURN(const searcher::QueryVector query,
                           EmbedQuery(request.terms(), *session_->library, *searched->model, cancellation));
  const int64_t encode_micros = stopwatch.LapMicros();

  EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  EIDETIC_ASSIGN_OR_RETURN(RankedPage ranked, RankAssets(request, filter, page, page_size, query, *searched,
                                                         session_->words, cancellation));
  const int64_t search_micros = stopwatch.LapMicros();

  EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  std::shared_ptr<const searcher::ScoreCalibration> calibration;
  if (OnlyTexts(request)) {
    EIDETIC_ASSIGN_OR_RETURN(calibration, searched->confidence.Current(cancellation));
  }
  float least_confidence = request.min_confidence();
  if (request.cut_noise() && least_confidence == 0 && calibration != nullptr) {
    least_confidence = calibration->noise_confidence();
  }
  response.set_cut_confidence(least_confidence);
  EIDETIC_RETURN_IF_ERROR(FillHits(ranked.photos, ranked.words.words, page.offset(), calibration.get(),
                                   least_confidence, *session_->library, *searched->model, response));
  response.set_words_error(ranked.words_error);
  if (ranked.has_more) {
    EIDETIC_ASSIGN_OR_RETURN(
        *response.mutable_next_page_token(),
        NextPageToken(request, page.offset() + static_cast<uint32_t>(page_size), ranked.trace.last_sequence,
                      ranked.photos.back().neighbor, session_->search_pages));
  }
  if (request.explain()) {
    eidetic::v1::SearchExplanation* explanation = response.mutable_explanation();
    explanation->set_plan(ranked.trace.kind == searcher::IndexKind::kExact ? "exact" : "hnsw");
    explanation->set_reason(ranked.trace.reason);
    explanation->set_index_size(ranked.trace.index_size);
    explanation->set_live_size(ranked.trace.live_size);
    explanation->set_ef_search(ranked.trace.ef_search);
    explanation->set_encode_micros(encode_micros);
    explanation->set_search_micros(search_micros);
    explanation->set_fetch_micros(stopwatch.LapMicros());
    if (ranked.filtered.has_value()) ExplainFilter(*ranked.filtered, *explanation);
    if (ranked.words_looked_for) ExplainWords(ranked, *explanation);
    explanation->set_model_fingerprint(query.model_fingerprint());
  }
  return absl::OkStatus();
}

absl::Status SearchServiceImpl::FindCaptions(const eidetic::v1::CaptionRequest& request,
                                             const Cancellation& cancellation,
                                             eidetic::v1::CaptionResponse& response) {
  FieldViolations violations;
  CheckCaptionRequest(request, violations);
  EIDETIC_RETURN_IF_ERROR(violations.ToStatus());
  const std::shared_ptr<GenerationSession> searched = session_->searched();
  EIDETIC_ASSIGN_OR_RETURN(
      const searcher::QueryVector picture,
      EmbedTerm(request.query(), "query", *session_->library, *searched->model, cancellation));
  EIDETIC_RETURN_IF_ERROR(cancellation.Check());

  CaptionSources sources{.library = session_->library.get()};
  if (!request.phrase_bank_only()) sources.engine = searched->engine.get();
  if (!request.library_only()) {
    EIDETIC_ASSIGN_OR_RETURN(sources.phrases, searched->model->Phrases());
  }
  EIDETIC_ASSIGN_OR_RETURN(std::vector<eidetic::v1::CaptionHit> captions,
                           RankCaptions(picture, EffectivePageSize(request.page_size(), kStandardCaptionPage),
                                        sources, cancellation));
  for (eidetic::v1::CaptionHit& caption : captions) *response.add_captions() = std::move(caption);
  return absl::OkStatus();
}

}  // namespace eidetic::service
