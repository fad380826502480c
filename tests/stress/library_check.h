// Compares an open library and its search engine with what the journal says.
// Complaints are sentences for people; none means that all is as it must be.
// Used by one thread; the library may be written meanwhile only where said.
//
//   CheckResult result = CheckLibrary(*library, *engine, *journal, random);
//   for (const std::string& complaint : result.complaints) …
#ifndef EIDETIC_TESTS_STRESS_LIBRARY_CHECK_H_
#define EIDETIC_TESTS_STRESS_LIBRARY_CHECK_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "searcher/search_engine.h"
#include "storage/library.h"
#include "tests/stress/journal.h"
#include "tests/stress/searched_generation.h"

namespace eidetic::stress {

struct CheckResult {
  std::vector<std::string> complaints;
  // What the library holds, by writer: the truth from now on.
  std::vector<WriterState> states;
  uint64_t active_generation = 0;
  // Writers whose last commit was not acknowledged, by what became of it.
  uint64_t pending_there = 0;
  uint64_t pending_absent = 0;
};

// Everything: records, links, counters, vectors of every generation, which one is
// in use, what each writer was promised, and that searches answer as an exact scan of the library does.
// Nobody writes.
CheckResult CheckLibrary(const storage::Library& library, searcher::SearchEngine& engine,
                         const Journal& journal, std::mt19937_64& random);

// Whether all of `steps` or nothing of them is visible now; nobody else writes
// these assets. kDataLoss: something in between.
absl::StatusOr<bool> IsVisible(const storage::Library& library, const WriterState& before,
                               const std::vector<Step>& steps);

// One search whose hits must be vectors that their assets have or had a moment
// ago. Others may write meanwhile. Empty: no complaint.
std::string CheckSearch(const SearchedGeneration& searched, std::mt19937_64& random);

// One consistent view in which each vector must be of the asset that its row
// names. Others may write meanwhile. Empty: no complaint.
std::string CheckView(const storage::Library& library);

// Library::VerifyAll; others may write meanwhile. Empty: no complaint.
std::string CheckVerify(const storage::Library& library);

}  // namespace eidetic::stress

#endif  // EIDETIC_TESTS_STRESS_LIBRARY_CHECK_H_
