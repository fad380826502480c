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
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "storage/column_families.h"
#include "storage/database_seal.h"
#include "storage/durable_writer.h"
#include "storage/event_log.h"
#include "storage/generation.h"
#include "storage/library.h"
#include "storage/library_lock.h"
#include "storage/mutation_writer.h"
#include "storage/recoverable_env.h"
#include "storage/rocksdb_generation.h"

namespace eidetic::storage {

class RocksDbLibrary final : public Library {
 public:
  // `obstacle` to writing: empty, or the library is opened for reading alone.
  // `lock` is null when nobody can be kept out meanwhile.
  RocksDbLibrary(std::string directory, std::unique_ptr<LibraryLock> lock, std::string obstacle,
                 const OpenOptions& options)
      : directory_(std::move(directory)),
        event_log_(options.event_log),
        commit_observer_(options.commit_observer),
        lock_(std::move(lock)),
        obstacle_(std::move(obstacle)) {}
  ~RocksDbLibrary() override;

  // Opens or makes the database; called once, before anything else.
  absl::Status Start(const OpenOptions& options);

  const std::string& directory() const override { return directory_; }
  absl::Status CheckWritable() const override;
  absl::Status SetHolderAddress(absl::string_view address) override;
  absl::StatusOr<eidetic::storage::v1::GenerationRecord> ActiveGeneration() const override;
  absl::Status UseModel(const eidetic::storage::v1::GenerationRecord& model) override;
  absl::StatusOr<std::shared_ptr<const Generation>> OpenGeneration(uint64_t number) const override;
  absl::StatusOr<std::vector<GenerationStatus>> ListGenerations() const override;
  absl::StatusOr<eidetic::storage::v1::GenerationRecord> StartGeneration(
      const eidetic::storage::v1::GenerationRecord& model) override;
  absl::StatusOr<std::vector<absl::Status>> PutGenerationVectors(
      uint64_t number, absl::string_view model_fingerprint, std::vector<GenerationVectors> vectors) override;
  absl::Status SwitchGeneration(uint64_t number, const SwitchOptions& options) override;
  absl::Status DropGeneration(uint64_t number) override;
  absl::StatusOr<std::vector<absl::Status>> Commit(std::vector<Mutation> mutations,
                                                   absl::string_view model_fingerprint) override;
  WriteHealth write_health() const override;
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

  // --- rocksdb_generations.cc ---

  using GenerationMap = std::map<uint64_t, std::shared_ptr<const RocksDbGeneration>>;

  // Reads the generations' records, takes their families out of `found` and drops
  // those that belong to none: leftovers of a crash. When opening has failed with
  // `so_far`, all it does is give the handles back.
  absl::Status LoadGenerations(std::map<std::string, rocksdb::ColumnFamilyHandle*> found,
                               const absl::Status& so_far);
  // Makes the families of a generation that has no record yet.
  absl::StatusOr<std::shared_ptr<const RocksDbGeneration>> CreateGeneration(
      const eidetic::storage::v1::GenerationRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(commit_mutex_);
  absl::Status DropFamilies(const GenerationFamilies& families);
  std::shared_ptr<const RocksDbGeneration> ActiveOrNull() const;
  absl::StatusOr<std::shared_ptr<const RocksDbGeneration>> FindGeneration(uint64_t number) const;
  OpenGenerations GenerationsForWriting() const;
  // A copy, to be changed and published with Publish once it is on disk.
  eidetic::storage::v1::StateRecord CopyState() const;
  GenerationMap CopyGenerations() const;
  // Puts the state record into the batch and writes it, synced.
  absl::Status WriteWithState(rocksdb::WriteBatch& batch, const eidetic::storage::v1::StateRecord& state,
                              absl::string_view doing) ABSL_EXCLUSIVE_LOCKS_REQUIRED(commit_mutex_);
  void Publish(const eidetic::storage::v1::StateRecord& state, GenerationMap generations)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(commit_mutex_);
  // Applies the writers' mutations to one batch and writes it.
  absl::Status WriteGroup(std::span<Writer* const> group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(commit_mutex_);

  const std::string directory_;
  EventLog* const event_log_;
  const std::function<void(absl::Duration, bool)> commit_observer_;
  std::unique_ptr<LibraryLock> lock_;
  const std::string obstacle_;
  const absl::Time open_time_ = absl::Now();
  // Set by Start.
  std::unique_ptr<DatabaseSeal> seal_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  // Null while the library is open for reading alone.
  std::unique_ptr<DurableWriter> writer_;
  std::string database_id_;
  // Start went well, and writes are taken.
  bool whole_ = false;
  std::shared_ptr<rocksdb::Cache> block_cache_;
  size_t write_buffer_ = 0;
  // Those that every library has, named in families_; written by Start alone.
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
  ColumnFamilies families_;

  // Queue of those who want to write; the front one leads.
  absl::Mutex queue_mutex_;
  std::deque<Writer*> queue_ ABSL_GUARDED_BY(queue_mutex_);

  // Held by whoever writes the database.
  mutable absl::Mutex commit_mutex_ ABSL_ACQUIRED_BEFORE(state_mutex_);

  // Empty ones whose generation has no record yet: kept when writing it failed.
  std::map<uint64_t, std::shared_ptr<const GenerationFamilies>> spare_families_
      ABSL_GUARDED_BY(commit_mutex_);

  // What is on disk, published after the sync.
  mutable absl::Mutex state_mutex_;
  eidetic::storage::v1::StateRecord state_ ABSL_GUARDED_BY(state_mutex_);
  GenerationMap generations_ ABSL_GUARDED_BY(state_mutex_);
};

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_ROCKSDB_LIBRARY_H_
