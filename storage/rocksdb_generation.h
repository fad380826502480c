// Generation over two column families of the library's RocksDB. Not a public
// header: made by RocksDbLibrary. Any thread.
#ifndef EIDETIC_STORAGE_ROCKSDB_GENERATION_H_
#define EIDETIC_STORAGE_ROCKSDB_GENERATION_H_

#include <rocksdb/db.h>

#include <memory>
#include <utility>
#include <vector>

#include "storage/column_families.h"
#include "storage/generation.h"

namespace eidetic::storage {

// The handles of a generation's two families, given back with the last user. A
// family that was dropped meanwhile stays readable until then.
class GenerationFamilies {
 public:
  GenerationFamilies(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* embeddings_handle,
                     rocksdb::ColumnFamilyHandle* caption_embeddings_handle)
      : embeddings(embeddings_handle), caption_embeddings(caption_embeddings_handle), db_(db) {}
  ~GenerationFamilies() {
    db_->DestroyColumnFamilyHandle(embeddings);
    db_->DestroyColumnFamilyHandle(caption_embeddings);
  }
  GenerationFamilies(const GenerationFamilies&) = delete;
  GenerationFamilies& operator=(const GenerationFamilies&) = delete;

  rocksdb::ColumnFamilyHandle* const embeddings;
  rocksdb::ColumnFamilyHandle* const caption_embeddings;

 private:
  rocksdb::DB* const db_;
};

class RocksDbGeneration final : public Generation {
 public:
  RocksDbGeneration(rocksdb::DB* db, const ColumnFamilies& library,
                    std::shared_ptr<const GenerationFamilies> families,
                    eidetic::storage::v1::GenerationRecord record)
      : Generation(std::move(record)), db_(db), library_(library), families_(std::move(families)) {}

  absl::StatusOr<std::vector<float>> GetEmbedding(Ordinal ordinal) const override;
  absl::StatusOr<std::vector<std::pair<CaptionId, std::vector<float>>>> GetCaptionEmbeddings(
      Ordinal ordinal) const override;
  std::unique_ptr<ReadView> NewView() const override;

  const std::shared_ptr<const GenerationFamilies>& families() const { return families_; }

 private:
  rocksdb::DB* const db_;
  const ColumnFamilies library_;
  const std::shared_ptr<const GenerationFamilies> families_;
};

// A view without a generation's vectors, for a library that has no model yet.
std::unique_ptr<ReadView> NewEmptyView(rocksdb::DB* db, const ColumnFamilies& library);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_ROCKSDB_GENERATION_H_
