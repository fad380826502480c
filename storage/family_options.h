// How a column family of the library keeps its data. Stateless.
#ifndef EIDETIC_STORAGE_FAMILY_OPTIONS_H_
#define EIDETIC_STORAGE_FAMILY_OPTIONS_H_

#include <rocksdb/cache.h>
#include <rocksdb/options.h>

#include <cstddef>
#include <memory>
#include <string>

namespace eidetic::storage {

// Floats of embeddings do not compress.
rocksdb::CompressionType FamilyCompression(const std::string& name);

rocksdb::ColumnFamilyOptions FamilyOptions(const std::string& name,
                                           const std::shared_ptr<rocksdb::Cache>& block_cache,
                                           size_t write_buffer);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_FAMILY_OPTIONS_H_
