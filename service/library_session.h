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
#include "searcher/attribute_index.h"
#include "searcher/search_engine.h"
#include "searcher/word_index.h"
#include "service/admission.h"
#include "service/exclusive_run.h"
#include "service/generation_session.h"
#include "service/model_session.h"
#include "service/page_token.h"
#include "service/service_limits.h"
#include "storage/event_log.h"
#include "storage/library.h"

namespace eidetic::service {

class LibrarySession {
 public:
  LibrarySession(std::unique_ptr<storage::Library> opened_library,
                 std::unique_ptr<searcher::SearchEngine> opened_engine,
                 std::shared_ptr<const storage::Generation> generation,
                 const ModelSessionOptions& opened_model_options,
                 const searcher::SearchEngineOptions& opened_engine_options,
                 const indexer::IndexerOptions& indexer, std::string page_token_key,
                 storage::EventLog* event_log_or_null)
      : limits(opened_model_options.limits),
        model_options(opened_model_options),
        engine_options(opened_engine_options),
        indexer_options(indexer),
        event_log(event_log_or_null),
        library(std::move(opened_library)),
        attributes(library.get(), {}),
        words(library.get(), {}),
        admission(limits.max_concurrent_calls),
        search_pages(std::move(page_token_key)),
        // Not a secret: an ordinal gives nothing away, and a listing goes on
        // after a restart.
        list_pages("eidetic.v1.LibraryService.ListAssets " + library->directory()),
        searched_(std::make_shared<GenerationSession>(
            library.get(),
            std::make_shared<ModelSession>(library.get(), std::move(generation), model_options),
            std::move(opened_engine), &attributes, engine_options)) {}

  const ServiceLimits limits;
  const ModelSessionOptions model_options;
  const searcher::SearchEngineOptions engine_options;
  const indexer::IndexerOptions indexer_options;
  storage::EventLog* const event_log;
  const absl::Time start_time = absl::Now();

  const std::unique_ptr<storage::Library> library;
  searcher::AttributeIndex attributes;
  searcher::WordIndex words;
  Admission admission;
  ExclusiveRun index_run;
  ExclusiveRun backup_run;
  const PageTokenCodec search_pages;
  const PageTokenCodec list_pages;
  // Shared by calls that write vectors while they do, held alone by a switch to
  // another generation: no vector of the old model comes after it.
  absl::Mutex write_gate;

  // What searches use now.
  std::shared_ptr<GenerationSession> searched() const {
    absl::MutexLock lock(&mutex_);
    return searched_;
  }
  // Calls that hold the one before go on with it.
  void SetSearched(std::shared_ptr<GenerationSession> searched) {
    absl::MutexLock lock(&mutex_);
    searched_.swap(searched);
  }

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
  // A generation that is being filled is to be dropped: filling ends soon.
  std::atomic<bool> abort_fill = false;

 private:
  mutable absl::Mutex mutex_;
  std::string address_ ABSL_GUARDED_BY(mutex_);
  // Borrows library and attributes: destroyed first.
  std::shared_ptr<GenerationSession> searched_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_LIBRARY_SESSION_H_
