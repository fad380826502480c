// Library over RocksDB. Not a public header: made by Library::Open.
//
// Writers queue up; the one in front applies everybody's mutations to one batch,
// writes it with one sync and wakes the others (group commit). Reading takes no
// lock of ours.
#ifndef EIDETIC_STORAGE_ROCKSDB_LIBRARY_H_
#define EIDETIC_STORAGE_ROCKSDB_LIBRARY_H_

#include <rocksdb/cache.h>
#include <rocksdb/db.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/column_families.h"
#include "storage/database_seal.h"
#include "storage/durable_writer.h"
#include "storage/library.h"
#include "storage/library_lock.h"

namespace eidetic::storage {

class RocksDbLibrary final : public Library {
 public:
  RocksDbLibrary(std::string directory, std::unique_ptr<LibraryLock> lock)
      : directory_(std::move(directory)), lock_(std::move(lock)) {}
  ~RocksDbLibrary() override;

  // Opens or makes the database; called once, before anything else.
  absl::Status Start(const OpenOptions& options);

  const std::string& directory() const override { return directory_; }
  absl::Status SetHolderAddress(absl::string_view address) override;
  absl::StatusOr<eidetic::storage::v1::GenerationRecord> ActiveGeneration() const override;
  absl::Status UseModel(const eidetic::storage::v1::GenerationRecord& model) override;
  absl::StatusOr<std::vector<absl::Status>> Commit(std::vector<Mutation> mutations) override;
  absl::StatusOr<eidetic::storage::v1::PathRecord> GetPath(absl::string_view path) const override;
  absl::StatusOr<Asset> GetAsset(absl::string_view asset_id) const override;
  absl::StatusOr<std::string> GetAssetId(Ordinal ordinal) const override;
  absl::StatusOr<std::vector<float>> GetEmbedding(Ordinal ordinal) const override;
  absl::StatusOr<CaptionEntry> GetCaption(CaptionId id) const override;
  absl::StatusOr<std::vector<std::optional<Asset>>> GetAssets(
      std::span<const Ordinal> ordinals) const override;
  absl::StatusOr<std::vector<CaptionEntry>> GetCaptions(Ordinal ordinal) const override;
  absl::StatusOr<std::vector<std::pair<CaptionId, std::vector<float>>>> GetCaptionEmbeddings(
      Ordinal ordinal) const override;
  absl::StatusOr<std::vector<Asset>> ListAssets(std::optional<Ordinal> after, int limit) const override;
  absl::Status ForEachPath(
      absl::string_view prefix,
      const std::function<absl::Status(absl::string_view, const eidetic::storage::v1::PathRecord&)>& visit)
      const override;
  absl::StatusOr<uint64_t> ForEachAsset(
      const std::function<absl::Status(const eidetic::storage::v1::AssetRecord&, bool has_captions)>& visit)
      const override;
  absl::StatusOr<LibraryCounts> Counts() const override;
  uint64_t last_sequence() const override;
  const std::string& database_id() const override { return database_id_; }
  absl::StatusOr<std::vector<Change>> ReadChanges(uint64_t sequence, int limit) const override;
  uint64_t WaitForChange(uint64_t sequence, absl::Time deadline) const override;
  absl::Status TrimChanges(uint64_t sequence) override;
  std::unique_ptr<ReadView> NewView() const override;
  absl::Status VerifyAll(const std::function<void(const Fault&)>& fault,
                         const std::function<bool(uint64_t, uint64_t)>& progress) const override;
  absl::StatusOr<Backup> CreateBackup(const BackupOptions& options) override;

 private:
  struct Writer;

  absl::Status OpenDatabase(bool create, const OpenOptions& options);
  absl::Status LoadState();
  // Applies the writers' mutations to one batch and writes it.
  absl::Status WriteGroup(std::span<Writer* const> group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(commit_mutex_);

  const std::string directory_;
  std::unique_ptr<LibraryLock> lock_;
  // Set by Start.
  std::unique_ptr<DatabaseSeal> seal_;
  std::unique_ptr<rocksdb::DB> db_;
  std::string database_id_;
  // Start went well.
  bool whole_ = false;
  std::shared_ptr<rocksdb::Cache> block_cache_;
  size_t write_buffer_ = 0;
  // All handles, the active ones named in families_. Written by Start and
  // UseModel alone; UseModel's are seen by others once a generation is active.
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  ColumnFamilies families_;

  // Queue of those who want to write; the front one leads.
  absl::Mutex queue_mutex_;
  std::deque<Writer*> queue_ ABSL_GUARDED_BY(queue_mutex_);

  // Held by whoever writes the database.
  absl::Mutex commit_mutex_ ABSL_ACQUIRED_BEFORE(state_mutex_);

  // There since Start.
  std::optional<DurableWriter> writer_ ABSL_GUARDED_BY(commit_mutex_);

  // What is on disk, published after the sync.
  mutable absl::Mutex state_mutex_;
  eidetic::storage::v1::StateRecord state_ ABSL_GUARDED_BY(state_mutex_);
  std::optional<eidetic::storage::v1::GenerationRecord> generation_ ABSL_GUARDED_BY(state_mutex_);
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_ROCKSDB_LIBRARY_H_
