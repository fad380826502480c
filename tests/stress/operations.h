// The mix of operations that writers run. An operation is one row of the table
// in operations.cc: a name, a weight, a function. To add one (a backup), write the
// function and add the row. Those of generations are in generation_operations.h.
//
// A Worker belongs to one thread; library, searches and journal are shared.
#ifndef EIDETIC_TESTS_STRESS_OPERATIONS_H_
#define EIDETIC_TESTS_STRESS_OPERATIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "searcher/search_engine.h"
#include "storage/library.h"
#include "tests/stress/journal.h"
#include "tests/stress/searched_generation.h"

namespace eidetic::stress {

struct Worker {
  storage::Library& library;
  SearchSlot& searches;
  // For the engines that switches make.
  searcher::SearchEngineOptions engine_options;
  Journal& journal;
  size_t number = 0;
  size_t writers = 1;
  std::mt19937_64 random;
  WriterState state;
  // Whether the disk was told to fail, so that errors are to be expected.
  std::function<bool()> disk_fails;

  uint32_t Below(uint32_t limit) { return static_cast<uint32_t>(random() % limit); }
};

// Commits `steps` (versions are given here) and keeps journal and state in step
// with what became of it. Errors as of RunOperation; a failure that was to be
// expected is no error, `failure` tells it.
absl::Status CommitSteps(Worker& worker, std::vector<Step> steps, absl::Status* failure = nullptr);

// Runs one operation, drawn by the worker's own chances. kDataLoss: the library
// broke a promise, the message says which. Other errors: the disk failed and
// what became of the operation cannot be read; the worker must stop.
absl::Status RunOperation(Worker& worker);

}  // namespace eidetic::stress

#endif  // EIDETIC_TESTS_STRESS_OPERATIONS_H_
