// Names and handles of a library's column families (docs/storage.md).
#ifndef EIDETIC_STORAGE_COLUMN_FAMILIES_H_
#define EIDETIC_STORAGE_COLUMN_FAMILIES_H_

#include <rocksdb/db.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace eidetic::storage {

inline constexpr char kAssetsFamily[] = "assets";
inline constexpr char kOrdinalsFamily[] = "ordinals";
inline constexpr char kPathsFamily[] = "paths";
inline constexpr char kCaptionsFamily[] = "captions";
inline constexpr char kChangesFamily[] = "changes";
inline constexpr char kMetaFamily[] = "meta";

inline std::string EmbeddingsFamily(uint64_t generation) { return absl::StrCat("embeddings/", generation); }
inline std::string CaptionEmbeddingsFamily(uint64_t generation) {
  return absl::StrCat("caption_embeddings/", generation);
}

// Keys of `meta`.
inline constexpr char kStateKey[] = "state";
inline constexpr char kGenerationKeyPrefix[] = "generation/";
inline std::string GenerationKey(uint64_t generation) {
  return absl::StrCat(kGenerationKeyPrefix, generation);
}

// Those that every library has; owned by the RocksDbLibrary. The others are in
// storage/rocksdb_generation.h.
struct ColumnFamilies {
  rocksdb::ColumnFamilyHandle* assets = nullptr;
  rocksdb::ColumnFamilyHandle* ordinals = nullptr;
  rocksdb::ColumnFamilyHandle* paths = nullptr;
  rocksdb::ColumnFamilyHandle* captions = nullptr;
  rocksdb::ColumnFamilyHandle* changes = nullptr;
  rocksdb::ColumnFamilyHandle* meta = nullptr;
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_COLUMN_FAMILIES_H_
