// Which texts fit a picture: captions of the library and phrases of the model's
// bank in one order. Stateless; any thread.
#ifndef EIDETIC_SERVICE_CAPTION_RANKING_H_
#define EIDETIC_SERVICE_CAPTION_RANKING_H_

#include <vector>

#include "absl/status/statusor.h"
#include "eidetic/v1/search_service.pb.h"
#include "searcher/search_engine.h"
#include "service/cancellation.h"
#include "service/model_session.h"
#include "storage/library.h"

namespace eidetic::service {

struct CaptionSources {
  // Null: no texts of the library.
  const searcher::SearchEngine* engine = nullptr;
  const storage::Library* library = nullptr;
  // Null: no phrases.
  const PhraseIndex* phrases = nullptr;
};

// At most `limit` texts nearest to `picture`, best first, ranks from 1. Texts
// equal but for case and surrounding space appear once: as the best of them,
// and as the library's when a phrase is equal too.
absl::StatusOr<std::vector<eidetic::v1::CaptionHit>> RankCaptions(const searcher::QueryVector& picture,
                                                                  int limit, const CaptionSources& sources,
                                                                  const Cancellation& cancellation);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_CAPTION_RANKING_H_
