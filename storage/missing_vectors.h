// Finds what a generation lacks: walks assets and captions beside the
// generation's rows. Stateless.
#ifndef EIDETIC_STORAGE_MISSING_VECTORS_H_
#define EIDETIC_STORAGE_MISSING_VECTORS_H_

#include <rocksdb/db.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/column_families.h"
#include "storage/library.h"
#include "storage/rocksdb_generation.h"

namespace eidetic::storage {

// As ReadView::ListMissing, through `options`, which should name a snapshot.
absl::StatusOr<std::vector<MissingVectors>> ListMissingVectors(rocksdb::DB* db,
                                                               const rocksdb::ReadOptions& options,
                                                               const ColumnFamilies& families,
                                                               const GenerationFamilies& generation,
                                                               std::optional<Ordinal> after, size_t limit);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_MISSING_VECTORS_H_
