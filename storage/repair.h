// Makes a new database of what can be read of a damaged one (docs/storage.md).
// Works on a library that nobody has open and holds its lock meanwhile; may be
// interrupted and begun again at any moment. Until it is through, the library
// does not open. One thread.
//
//   ASSIGN_OR_RETURN(RepairReport report, RepairLibrary(directory, {.snapshot = &vectors}));
#ifndef EIDETIC_STORAGE_REPAIR_H_
#define EIDETIC_STORAGE_REPAIR_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/library.h"

namespace eidetic::storage {

// Vectors that another than the database kept: the index snapshot.
class VectorSource {
 public:
  virtual ~VectorSource() = default;
  virtual std::string database_id() const = 0;
  virtual std::string model_fingerprint() const = 0;
  virtual uint64_t generation() const = 0;
  virtual uint32_t dimension() const = 0;
  // The change that its vectors are of.
  virtual uint64_t last_sequence() const = 0;
  virtual std::optional<std::vector<float>> Image(Ordinal ordinal) const = 0;
  virtual std::optional<std::vector<float>> Caption(CaptionId id) const = 0;
};

struct RepairOptions {
  // May be null.
  const VectorSource* snapshot = nullptr;
  // An older copy of the library, opened; gives records and vectors that are lost.
  // May be null.
  const Library* backup = nullptr;
  // Records done, records in all; false stops the repair (→ kCancelled).
  std::function<bool(uint64_t done, uint64_t total)> progress;
};

struct LostAsset {
  std::string asset_id;  // empty: unknown, only the paths are
  std::vector<std::string> paths;
  std::string reason;
};

struct RepairReport {
  uint64_t assets = 0;  // in the repaired library
  uint64_t paths = 0;
  uint64_t captions = 0;
  uint64_t vectors_from_snapshot = 0;
  uint64_t vectors_from_backup = 0;
  uint64_t records_from_backup = 0;
  // Records that led nowhere, or that nothing led to.
  uint64_t dropped_links = 0;
  // Paths whose file is read again by the next `eidetic index`.
  uint64_t paths_to_read_again = 0;
  uint64_t lost_captions = 0;
  std::vector<LostAsset> lost_assets;
  // Lost besides, by the library's count of assets: nothing that can be read names them.
  uint64_t lost_unnamed = 0;
  // Files and ranges that could not be read.
  std::vector<std::string> damage;
  // Where the damaged database is now.
  std::string kept_aside;
  uint64_t last_sequence = 0;
};

// kUnavailable: the library is open somewhere. kNotFound: no library.
// kDataLoss: nothing to repair from (no database, or its model's record is gone
// and neither snapshot nor backup has it). kResourceExhausted: no room.
absl::StatusOr<RepairReport> RepairLibrary(const std::string& directory, const RepairOptions& options);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_REPAIR_H_
