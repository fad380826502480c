// The engine that searches use, and the generation it is of; a switch puts others
// in their place, as a server does. Any thread.
//
//   const std::shared_ptr<const SearchedGeneration> searched = slot.Get();
//   searched->engine->SearchImages({searched->generation->model_fingerprint(), query}, {});
#ifndef EIDETIC_TESTS_STRESS_SEARCHED_GENERATION_H_
#define EIDETIC_TESTS_STRESS_SEARCHED_GENERATION_H_

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "searcher/search_engine.h"
#include "storage/generation.h"

namespace eidetic::stress {

struct SearchedGeneration {
  std::shared_ptr<const storage::Generation> generation;
  std::unique_ptr<searcher::SearchEngine> engine;
};

class SearchSlot {
 public:
  std::shared_ptr<const SearchedGeneration> Get() const {
    const absl::MutexLock lock(&mutex_);
    return searched_;
  }
  void Set(std::shared_ptr<const SearchedGeneration> searched) {
    const absl::MutexLock lock(&mutex_);
    searched_.swap(searched);
  }

  // Shared by commits and snapshots, held alone by a switch.
  absl::Mutex gate;

 private:
  mutable absl::Mutex mutex_;
  std::shared_ptr<const SearchedGeneration> searched_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace eidetic::stress

#endif  // EIDETIC_TESTS_STRESS_SEARCHED_GENERATION_H_
