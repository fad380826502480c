#include "storage/family_options.h"

#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

namespace eidetic::storage {

rocksdb::ColumnFamilyOptions FamilyOptions(const std::string& name,
                                           const std::shared_ptr<rocksdb::Cache>& block_cache,
                                           size_t write_buffer) {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = write_buffer;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = block_cache;
  table.cache_index_and_filter_blocks = true;
  table.format_version = 5;
  table.block_size = 16 << 10;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  // Floats of embeddings do not compress.
  const bool vectors = name.find("embeddings/") != std::string::npos;
  options.compression = vectors ? rocksdb::kNoCompression : rocksdb::kLZ4Compression;
  return options;
}

}  // namespace eidetic::storage
