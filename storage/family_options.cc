#include "storage/family_options.h"

#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

namespace eidetic::storage {

rocksdb::CompressionType FamilyCompression(const std::string& name) {
  const bool vectors = name.find("embeddings/") != std::string::npos;
  return vectors ? rocksdb::kNoCompression : rocksdb::kLZ4Compression;
}

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
  options.compression = FamilyCompression(name);
  return options;
}

}  // namespace eidetic::storage
