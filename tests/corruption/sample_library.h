// A library made from a seed, whose content after each change is known: what a
// damaged copy answers is compared with that. Const after construction.
//
//   const SampleLibrary sample({.changes = 4'000});
//   sample.Write(*library, 0, sample.changes());
//   std::string difference = sample.CompareRecords(*library);
#ifndef EIDETIC_TESTS_CORRUPTION_SAMPLE_LIBRARY_H_
#define EIDETIC_TESTS_CORRUPTION_SAMPLE_LIBRARY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "searcher/search_engine.h"
#include "storage/library.h"

namespace eidetic::corruption {

struct SampleOptions {
  uint64_t seed = 1;
  uint64_t changes = 3'500;
  int dimension = 256;
};

struct SampleAsset {
  storage::Ordinal ordinal = 0;
  std::vector<float> vector;
  std::string path;
  std::map<std::string, std::vector<float>> captions;
};

// Asset id → what the library must hold of it.
using SampleState = std::map<std::string, SampleAsset>;

class SampleLibrary {
 public:
  explicit SampleLibrary(const SampleOptions& options);

  // Opens or makes the library in `directory`; aborts when that fails.
  std::unique_ptr<storage::Library> Make(const std::string& directory) const;
  // Commits the changes [from, to), `together` at once.
  void Write(storage::Library& library, uint64_t from, uint64_t to, uint64_t together = 100) const;

  uint64_t changes() const { return mutations_.size(); }
  // After the first `changes`.
  const SampleState& StateAt(uint64_t changes) const;

  // How searches differ from comparing all vectors of the state at
  // `engine`'s change number; empty: not at all. Approximate answers may miss
  // some, but never hold a wrong id or score.
  std::string CompareSearches(const storage::Library& library, const searcher::SearchEngine& engine) const;
  // How the records differ from the state at the library's change number. An
  // error of reading is not a difference: it comes back in `error`.
  std::string CompareRecords(const storage::Library& library, absl::Status& error) const;

  const std::vector<std::vector<float>>& queries() const { return queries_; }

 private:
  std::string CompareAsset(const storage::Library& library, const std::string& id,
                           const SampleAsset& expected, absl::Status& error) const;

  const SampleOptions options_;
  std::vector<storage::Mutation> mutations_;
  std::vector<std::vector<float>> queries_;
  mutable std::optional<std::pair<uint64_t, SampleState>> state_;
};

}  // namespace eidetic::corruption

#endif  // EIDETIC_TESTS_CORRUPTION_SAMPLE_LIBRARY_H_
