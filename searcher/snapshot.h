// Snapshot files of a library's indexes (docs/index_snapshot.md): a cache that
// may be deleted at any time. Written so that a crash leaves the old snapshot or
// the new one; read so that not a byte reaches a parser before its checksum was
// proved. Used by one thread at a time.
//
//   RETURN_IF_ERROR(WriteSnapshot(folder, {.epoch = 3, ...}, {{"images", SnapshotPart(bytes)}}));
//   ASSIGN_OR_RETURN(Snapshot snapshot, ReadSnapshot(folder));
#ifndef EIDETIC_SEARCHER_SNAPSHOT_H_
#define EIDETIC_SEARCHER_SNAPSHOT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "searcher/effort_tuning.h"
#include "searcher/huge_pages.h"
#include "searcher/snapshot_part.h"
#include "storage/file_system.h"

namespace eidetic::searcher {

// What a snapshot is of.
struct SnapshotInfo {
  std::string database_id;  // storage::Library::database_id()
  uint64_t generation = 0;
  uint64_t epoch = 0;  // counts up with each snapshot
  uint64_t last_sequence = 0;
  uint32_t dimension = 0;
  std::string model_fingerprint;
  // Measured with the photos' graph; empty when nothing was.
  EffortCurve image_effort;
};

struct Snapshot {
  SnapshotInfo info;
  std::map<std::string, PageBuffer> parts;  // name → verified bytes
  // Parts that were verified and left on disk.
  std::map<std::string, std::shared_ptr<const storage::ReadableFile>> files;
  uint64_t total_bytes = 0;
};

// Writes every part, then the manifest, each synced and renamed into place;
// then removes the files of older snapshots. Returns the bytes written.
absl::StatusOr<uint64_t> WriteSnapshot(const std::string& folder, const SnapshotInfo& info,
                                       const std::map<std::string, SnapshotPart>& parts,
                                       storage::FileSystem& files = storage::PosixFileSystem());

// kNotFound: there is none. kDataLoss: damaged, the message says which file and
// how. kFailedPrecondition: of another format. Parts whose name ends in
// `left_on_disk` (none when empty) are verified but not kept in memory.
absl::StatusOr<Snapshot> ReadSnapshot(const std::string& folder,
                                      storage::FileSystem& files = storage::PosixFileSystem(),
                                      absl::string_view left_on_disk = "");

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_SNAPSHOT_H_
