// A disk that fails when told to, over a real folder. It keeps account of what
// was not synced (bytes of files; names created, renamed and removed in a
// directory), fails or shortens the n-th operation of a kind, runs full, is
// slow, and loses its power: from then on every operation fails, and Restart
// takes back what a real disk may have lost. All chances come from the seed.
//
// Two faces lead to it: FaultyFileSystem (the library's own files) and
// NewFaultyEnv (RocksDB's). Any thread; a SimulatedFile belongs to one.
//
//   SimulatedDisk disk(folder / "trash", seed);
//   disk.AddFault({.operation = DiskOperation::kSync, .nth = 3});
//   … open a library on it, work, close it …
//   RETURN_IF_ERROR(disk.Restart());
#ifndef EIDETIC_TESTS_FAULT_INJECTION_SIMULATED_DISK_H_
#define EIDETIC_TESTS_FAULT_INJECTION_SIMULATED_DISK_H_

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace eidetic::fault_injection {

enum class DiskOperation {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kCreate,
  kRename,
  kDelete,
  kSyncDirectory,
  kAnyChange,  // all but kOpen and kRead
  kAny
};

enum class FaultEffect {
  kError,      // EIO, nothing is done
  kShort,      // half of it is done; a write then fails with EIO, a read does not tell
  kNoSpace,    // ENOSPC, nothing is done
  kReadOnly,   // EROFS, nothing is done
  kPowerLoss,  // LosePower() before it is done
};

struct Fault {
  DiskOperation operation = DiskOperation::kAny;
  // Which of the operations that match, from 1, counted since AddFault.
  uint64_t nth = 1;
  FaultEffect effect = FaultEffect::kError;
  // And all that follow it.
  bool lasting = false;
  // Only paths that contain this.
  std::string path_part;
};

struct FileState;

// A file open for writing.
class SimulatedFile {
 public:
  ~SimulatedFile();
  SimulatedFile(const SimulatedFile&) = delete;
  SimulatedFile& operator=(const SimulatedFile&) = delete;

 private:
  friend class SimulatedDisk;
  SimulatedFile(int descriptor, std::string path, std::shared_ptr<FileState> state);

  const int descriptor_;
  const std::string path_;
  const std::shared_ptr<FileState> state_;
};

// Operations return 0 or an errno.
class SimulatedDisk {
 public:
  // `trash` is a folder of its own on the file system of the files: removed names
  // wait there until their directory is synced.
  SimulatedDisk(std::string trash, uint64_t seed);
  ~SimulatedDisk();

  void AddFault(const Fault& fault);
  void ClearFaults();
  // Room that is left for writing; nullopt: enough.
  void SetFreeBytes(std::optional<uint64_t> bytes);
  // Each operation takes at least this long.
  void SetLatency(absl::Duration latency);
  // Syncs answer that all is well and do nothing, as some hardware does.
  void SetSyncLies(bool lies);
  uint64_t count(DiskOperation operation) const;

  void LosePower();
  bool has_power() const;
  // Drops what was not synced and gives the power back; faults are cleared, room
  // is unlimited. Every file must have been closed.
  absl::Status Restart();

  // A file that is there already is replaced by an empty one, or with `append`
  // written on at its end.
  int Open(const std::string& path, bool append, std::unique_ptr<SimulatedFile>& file);
  int Append(SimulatedFile& file, absl::string_view bytes);
  int Truncate(SimulatedFile& file, uint64_t size);
  int Sync(SimulatedFile& file);
  uint64_t Size(const SimulatedFile& file) const;
  int Rename(const std::string& from, const std::string& to);
  int Link(const std::string& from, const std::string& to);
  int CreateDirectory(const std::string& path);
  // A file, or an empty directory.
  int Delete(const std::string& path);
  int SyncDirectory(const std::string& path);
  // Before an opening for reading.
  int BeforeOpen(const std::string& path);
  // Before a read of `bytes`, which it may lessen.
  int BeforeRead(const std::string& path, size_t& bytes);

 private:
  // A name that changed in a directory which was not synced since.
  struct EntryChange {
    enum class Kind { kAppeared, kRenamed, kDisappeared };
    Kind kind;
    std::string directory;
    std::string path;
    std::string from;   // kRenamed
    std::string trash;  // what stood at `path` before; empty: nothing
  };
  struct Verdict {
    int error = 0;
    bool shorten = false;
  };

  void Wait() const;
  Verdict Judge(DiskOperation operation, const std::string& path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string NewTrashName() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MoveState(const std::string& from, const std::string& to) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status DropUnsyncedBytes() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status UndoUnsyncedNames() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Undo(const EntryChange& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string trash_;
  mutable absl::Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  bool has_power_ ABSL_GUARDED_BY(mutex_) = true;
  bool sync_lies_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration latency_ ABSL_GUARDED_BY(mutex_);
  std::optional<uint64_t> free_bytes_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<Fault, uint64_t>> faults_ ABSL_GUARDED_BY(mutex_);  // and matches so far
  std::array<uint64_t, 9> counts_ ABSL_GUARDED_BY(mutex_) = {};
  std::map<std::string, std::shared_ptr<FileState>> states_ ABSL_GUARDED_BY(mutex_);
  std::vector<EntryChange> changes_ ABSL_GUARDED_BY(mutex_);
  uint64_t trashed_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace eidetic::fault_injection

#endif  // EIDETIC_TESTS_FAULT_INJECTION_SIMULATED_DISK_H_
