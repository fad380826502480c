// What the services of one library share. Made by LibraryHost, outlives them;
// any thread.
#ifndef EIDETIC_SERVICE_LIBRARY_SESSION_H_
#define EIDETIC_SERVICE_LIBRARY_SESSION_H_

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "indexer/indexer.h"
#include "searcher/filtered_search.h"
#include "searcher/search_engine.h"
#include "service/admission.h"
#include "service/confidence.h"
#include "service/exclusive_run.h"
#include "service/model_session.h"
#include "service/page_token.h"
#include "service/service_limits.h"
#include "storage/library.h"

namespace eidetic::service {

class LibrarySession {
 public:
  LibrarySession(std::unique_ptr<storage::Library> opened_library,
                 std::unique_ptr<searcher::SearchEngine> opened_engine,
                 const ModelSessionOptions& model_options, const indexer::IndexerOptions& indexer,
                 std::string page_token_key)
      : limits(model_options.limits),
        indexer_options(indexer),
        library(std::move(opened_library)),
        engine(std::move(opened_engine)),
        filtered_search(library.get(), engine.get(), {}),
        model(library.get(), model_options),
        confidence(library.get(), engine.get(), &model),
        admission(limits.max_concurrent_calls),
        search_pages(std::move(page_token_key)),
        // Not a secret: an ordinal gives nothing away, and a listing goes on
        // after a restart.
        list_pages("eidetic.v1.LibraryService.ListAssets " + library->directory()) {}

  const ServiceLimits limits;
  const indexer::IndexerOptions indexer_options;
  const absl::Time start_time = absl::Now();

  // The engine borrows the library: destroyed first.
  const std::unique_ptr<storage::Library> library;
  const std::unique_ptr<searcher::SearchEngine> engine;
  searcher::FilteredSearch filtered_search;
  ModelSession model;
  Confidence confidence;
  Admission admission;
  ExclusiveRun index_run;
  ExclusiveRun backup_run;
  const PageTokenCodec search_pages;
  const PageTokenCodec list_pages;

  // Where the library is served; empty until bound, and when in process only.
  std::string address() const {
    absl::MutexLock lock(&mutex_);
    return address_;
  }
  void SetAddress(std::string address) {
    absl::MutexLock lock(&mutex_);
    address_ = std::move(address);
  }

  // Long calls end soon when this is set.
  std::atomic<bool> stopping = false;

 private:
  mutable absl::Mutex mutex_;
  std::string address_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_LIBRARY_SESSION_H_
