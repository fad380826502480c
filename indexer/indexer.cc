#include "indexer/indexer.h"

#include "indexer/indexing_run.h"

namespace eidetic::indexer {

Indexer::Indexer(storage::Library* library, const encoder::DualEncoder* encoder,
                 const IndexerOptions& options)
    : library_(library), encoder_(encoder), options_(options) {}

absl::StatusOr<IndexSummary> Indexer::Run(const IndexRequest& request, const IndexCallbacks& callbacks) {
  return IndexingRun(library_, encoder_, options_, request, callbacks).Execute();
}

}  // namespace eidetic::indexer
