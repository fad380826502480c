// Reads what can be read of a damaged database, record by record. A block that
// is damaged costs its own records, and of those only the ones that no other key
// leads to. Opens read-only, and where that fails a repaired copy. Used by one
// thread.
//
//   ASSIGN_OR_RETURN(auto salvage, Salvage::Open(path, scratch, options));
//   salvage->ForEach(family, candidates, [](key, value) {...});
#ifndef EIDETIC_STORAGE_SALVAGE_H_
#define EIDETIC_STORAGE_SALVAGE_H_

#include <rocksdb/db.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::storage {

class Salvage {
 public:
  // `path` is never changed. `scratch` is a folder beside it for a copy (hard
  // links to its tables); removed by the destructor.
  static absl::StatusOr<std::unique_ptr<Salvage>> Open(const std::string& path, const std::string& scratch);
  ~Salvage();
  Salvage(const Salvage&) = delete;
  Salvage& operator=(const Salvage&) = delete;

  // Names of the column families, without RocksDB's default one.
  std::vector<std::string> families() const;
  // Calls `visit` for each record that can be read, by rising key; then for those
  // of the `candidates` (in any order) that were not met and can be read by key.
  // Damage is passed over: behind it reading goes on at the next candidate.
  void ForEach(const std::string& family, std::vector<std::string> candidates,
               const std::function<void(absl::string_view key, absl::string_view value)>& visit);
  // nullopt: not there, or not to be read.
  std::optional<std::string> Get(const std::string& family, absl::string_view key);

  // What was in the way, for people.
  const std::vector<std::string>& damage() const { return damage_; }

 private:
  explicit Salvage(std::string scratch) : scratch_(std::move(scratch)) {}
  absl::Status OpenReadOnly(const std::string& path);
  absl::Status OpenRepairedCopy(const std::string& path);
  void Close();
  bool EveryTableOpens(const std::string& path);
  rocksdb::ColumnFamilyHandle* Find(const std::string& family) const;

  const std::string scratch_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  std::vector<std::string> damage_;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_SALVAGE_H_
