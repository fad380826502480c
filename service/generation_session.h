// What searches of one generation share: its model, its index, its calibration.
// A call takes the session's current one once and keeps it to its end, so that
// it never mixes two models; a switch puts another one in its place
// (LibrarySession::searched). Borrows library and attributes. Any thread.
//
//   const std::shared_ptr<GenerationSession> searched = session.searched();
//   ASSIGN_OR_RETURN(const searcher::QueryVector query, searched->model->EmbedText(text, cancellation));
//   ASSIGN_OR_RETURN(auto matches, searched->engine->SearchImages(query, options));
#ifndef EIDETIC_SERVICE_GENERATION_SESSION_H_
#define EIDETIC_SERVICE_GENERATION_SESSION_H_

#include <memory>
#include <utility>

#include "searcher/filtered_search.h"
#include "searcher/search_engine.h"
#include "service/confidence.h"
#include "service/model_session.h"
#include "storage/library.h"

namespace eidetic::service {

struct GenerationSession {
  // Model and engine are of one generation; of the options, disk and log are used.
  GenerationSession(const storage::Library* library, std::shared_ptr<ModelSession> its_model,
                    std::unique_ptr<searcher::SearchEngine> its_engine, searcher::AttributeIndex* attributes,
                    const searcher::SearchEngineOptions& options)
      : model(std::move(its_model)),
        engine(std::move(its_engine)),
        filtered_search(engine.get(), attributes),
        confidence(library, engine.get(), model.get(), options.file_system, options.event_log) {}

  const std::shared_ptr<ModelSession> model;
  const std::unique_ptr<searcher::SearchEngine> engine;
  searcher::FilteredSearch filtered_search;
  Confidence confidence;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_GENERATION_SESSION_H_
