// The truth about a photo library: RocksDB with records, paths, captions,
// embeddings and the change log (docs/storage.md). FAISS indexes are made from
// it and can be made again at any time.
//
// One process at a time holds a library (file LOCK), or several that may not
// write to it read it together. Every method may be called
// from any thread. When a write returns OK it is on disk (synced); writes of
// several threads share one sync. Nothing is ever half there: each Mutation is
// one atomic step.
//
//   ASSIGN_OR_RETURN(auto library, Library::Open("photos.eidetic", {.create = true}));
//   RETURN_IF_ERROR(library->UseModel({.name = "default", .fingerprint = f, .dimension = 256}));
//   PutAsset put;
//   put.asset_id = id;
//   put.embedding = vector;
//   RETURN_IF_ERROR(library->Commit({put}));
#ifndef EIDETIC_STORAGE_LIBRARY_H_
#define EIDETIC_STORAGE_LIBRARY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "eidetic/storage/v1/records.pb.h"
#include "eidetic/v1/asset.pb.h"
#include "storage/backup.h"

namespace rocksdb {
class Env;
}

namespace eidetic::storage {

class EventLog;
class FileSystem;
class Generation;
struct GenerationStatus;
struct GenerationVectors;
struct SwitchOptions;

// Version of the on-disk format that this code writes.
inline constexpr uint32_t kFormatVersion = 1;

// Row of an asset in embeddings and index: given once, counted up, never reused.
using Ordinal = uint32_t;

// A caption's place: ordinal in the upper 32 bits, slot (below 65,536) in the lower.
using CaptionId = uint64_t;
constexpr CaptionId MakeCaptionId(Ordinal ordinal, uint32_t slot) {
  return (static_cast<uint64_t>(ordinal) << 32) | slot;
}
constexpr Ordinal CaptionOrdinal(CaptionId id) { return static_cast<Ordinal>(id >> 32); }

// Whether writes are taken. They are refused while the disk is full or read-only,
// and taken again soon after; after another error, once the library was reopened.
struct WriteHealth {
  bool ok = true;
  // Since when; while it never changed, since the library was opened.
  absl::Time since;
  // While not ok: "disk_full", "read_only", "io_error" or "damaged", and what
  // exactly went wrong.
  std::string reason;
  std::string detail;
};

struct OpenOptions {
  // Make the library when the folder is missing or empty.
  bool create = false;
  // Open for reading alone a library that this process may not write to: on a
  // read-only file system, or of another user. Otherwise that is an error.
  bool allow_read_only = false;
  // Memory for block cache and memtables together.
  uint64_t memory_budget_bytes = uint64_t{96} << 20;
  // Written into LOCK, for the one who comes second.
  std::string holder_command;
  std::string holder_address;
  // The disk, for tests that make it fail: RocksDB's files go through `env`, the
  // library's own through `file_system`. Both must outlive the library; null:
  // the real one.
  rocksdb::Env* env = nullptr;
  FileSystem* file_system = nullptr;
  // Must outlive the library; may be null.
  EventLog* event_log = nullptr;
  // Told of each group commit how long it took and whether it was acknowledged,
  // in the thread of a writer that waits for it; may be empty.
  std::function<void(absl::Duration, bool ok)> commit_observer;
  // Told of each change of write_health() by the thread that notices it; must not
  // call the library; may be empty.
  std::function<void(const WriteHealth&)> write_health_observer;
};

// Who holds a library, read from its LOCK file.
struct LibraryHolder {
  int64_t pid = 0;
  std::string command;
  std::string address;  // gRPC target; empty when it does not serve
};

// "process 4242 (eidetic serve) serving on 127.0.0.1:50051".
std::string DescribeHolder(const LibraryHolder& holder);

// A text and its embedding; the embedding may be empty only when the caller
// knows the stored one for the same asset, source and text is still good.
struct CaptionInput {
  std::string text;
  std::vector<float> embedding;
};

// Replaces all captions of one source.
struct CaptionSet {
  eidetic::v1::CaptionSource source = eidetic::v1::CAPTION_SOURCE_UNSPECIFIED;
  std::vector<CaptionInput> captions;
};

// A file that holds an asset's content.
struct PathInput {
  std::string path;  // absolute, bytes as the system gave them
  eidetic::storage::v1::PathRecord record;
};

// Adds an asset, or replaces the fields given here of the one with that id.
struct PutAsset {
  std::string asset_id;
  // Everything but ordinal and paths is taken from here; create_time_micros only
  // for a new asset, where 0 means now.
  eidetic::storage::v1::AssetRecord record;
  // Added to the asset's paths; when the path belonged to another asset it is
  // taken from that one first, as DetachPath does.
  std::optional<PathInput> path;
  // Unit length; required for a new asset, empty keeps the stored one.
  std::vector<float> embedding;
  std::vector<CaptionSet> caption_sets;
};

// A known content was found at a path (moved, copied, touched).
struct AttachPath {
  std::string asset_id;
  PathInput path;
  std::vector<CaptionSet> caption_sets;
};

// A path is gone. With its last path an asset goes too, unless a client put it.
struct DetachPath {
  std::string path;
};

struct SetCaptions {
  std::string asset_id;
  std::vector<CaptionSet> caption_sets;
};

struct DeleteAsset {
  std::string asset_id;
};

using Mutation = std::variant<PutAsset, AttachPath, DetachPath, SetCaptions, DeleteAsset>;

struct Asset {
  std::string asset_id;
  eidetic::storage::v1::AssetRecord record;
};

struct CaptionEntry {
  CaptionId id = 0;
  eidetic::storage::v1::CaptionRecord record;
};

struct Change {
  uint64_t sequence = 0;
  eidetic::storage::v1::ChangeRecord record;
};

struct LibraryCounts {
  uint64_t assets = 0;
  uint64_t paths = 0;
  uint64_t captions = 0;
  uint64_t database_bytes = 0;
};

// One fault that VerifyAll found.
struct Fault {
  std::string place;
  std::string key;
  std::string message;
};

// All that the library holds of one asset.
struct WholeAsset {
  Asset asset;
  // One for each of asset.record.paths().
  std::vector<eidetic::storage::v1::PathRecord> paths;
  std::vector<float> embedding;
  // By slot, and one embedding for each.
  std::vector<CaptionEntry> captions;
  std::vector<std::vector<float>> caption_embeddings;
};

// What an asset lacks in a generation.
struct MissingVectors {
  Asset asset;
  bool embedding = false;
  std::vector<CaptionEntry> captions;
};

// A consistent picture of one generation's vectors at one sequence; cheap to
// make. Must not outlive its Library. One thread at a time.
class ReadView {
 public:
  virtual ~ReadView() = default;
  // Number of the last change that this view contains.
  virtual uint64_t last_sequence() const = 0;
  // Calls `visit` for each embedding by rising ordinal; stops at the first error.
  // `vector` is valid during the call.
  virtual absl::Status ForEachEmbedding(
      const std::function<absl::Status(Ordinal, std::span<const float> vector)>& visit) const = 0;
  virtual absl::Status ForEachCaptionEmbedding(
      const std::function<absl::Status(CaptionId, std::span<const float> vector)>& visit) const = 0;
  // Number of assets with a vector in the active generation.
  virtual uint64_t asset_count() const = 0;
  // Calls `visit` for each asset that has a vector, by rising ordinal; stops at the
  // first error.
  // kDataLoss names what is missing or damaged.
  virtual absl::Status ForEachWholeAsset(
      const std::function<absl::Status(const WholeAsset&)>& visit) const = 0;
  // Assets that lack vectors, by rising ordinal from the first above `after`
  // (nullopt: from the start).
  virtual absl::StatusOr<std::vector<MissingVectors>> ListMissing(std::optional<Ordinal> after,
                                                                  size_t limit) const = 0;
};

class Library {
 public:
  // Errors: kNotFound (no library there and !create; the message says how to
  // make one), kUnavailable (another process holds it: see ReadHolder),
  // kFailedPrecondition (made by a newer format; not to be written to and
  // !allow_read_only; no locks), kDataLoss (damaged), kPermissionDenied.
  static absl::StatusOr<std::unique_ptr<Library>> Open(const std::string& directory,
                                                       const OpenOptions& options);

  // Who holds the library now; nullopt when nobody does.
  static absl::StatusOr<std::optional<LibraryHolder>> ReadHolder(const std::string& directory);

  virtual ~Library() = default;

  virtual const std::string& directory() const = 0;

  // OK, or kFailedPrecondition that says why every write will be refused: the
  // library is open for reading alone. It stays so until it is opened anew.
  virtual absl::Status CheckWritable() const = 0;

  // Rewrites the address in LOCK: a server knows its port only once it is bound,
  // and binds only once it holds the library. Nothing is written when it is open
  // for reading alone.
  virtual absl::Status SetHolderAddress(absl::string_view address) = 0;

  // --- The model (one generation of embeddings belongs to one fingerprint) ---

  // kNotFound while no model was used with this library.
  virtual absl::StatusOr<eidetic::storage::v1::GenerationRecord> ActiveGeneration() const = 0;
  // Makes `model` the library's model when it has none. OK when it already is (its
  // folder is remembered); kFailedPrecondition when the library holds vectors of
  // another model. number, state and times are given by the library.
  virtual absl::Status UseModel(const eidetic::storage::v1::GenerationRecord& model) = 0;

  // --- Several generations (storage/generation.h) ---

  // 0: the active one. kNotFound: no such generation, or no model yet.
  virtual absl::StatusOr<std::shared_ptr<const Generation>> OpenGeneration(uint64_t number) const = 0;
  // By number.
  virtual absl::StatusOr<std::vector<GenerationStatus>> ListGenerations() const = 0;
  // The generation of this model, active or not; made, empty, when there is none.
  // kFailedPrecondition: another one is being filled, or the library has no model
  // yet (UseModel).
  virtual absl::StatusOr<eidetic::storage::v1::GenerationRecord> StartGeneration(
      const eidetic::storage::v1::GenerationRecord& model) = 0;
  // Puts vectors of a generation, of the model with this fingerprint; all with one
  // sync. One Status each: kNotFound (asset gone), kAborted (asset or caption
  // changed since it was read: encode it again), kInvalidArgument (wrong
  // dimension or length). Whole: kNotFound (generation dropped),
  // kFailedPrecondition (vectors of another model), the database's.
  virtual absl::StatusOr<std::vector<absl::Status>> PutGenerationVectors(
      uint64_t number, absl::string_view model_fingerprint, std::vector<GenerationVectors> vectors) = 0;
  // Makes another generation the active one, in one atomic step that is also an
  // entry of the change log. kFailedPrecondition while vectors are missing.
  // OK and nothing done when it is active already.
  virtual absl::Status SwitchGeneration(uint64_t number, const SwitchOptions& options) = 0;
  // Forgets a generation that is not active and all its vectors. kNotFound,
  // kFailedPrecondition (active).
  virtual absl::Status DropGeneration(uint64_t number) = 0;

  // --- Writing ---

  // Applies the mutations in order, each atomically, all with one sync, and
  // returns when they are durable. Result: one Status each (kNotFound: no such
  // asset or path; kInvalidArgument: bad id, wrong dimension, ...); a refused
  // mutation does not stop the others. The outer status is an error only when
  // the database itself failed; then nothing of the call was acknowledged, and
  // readers see nothing of it. kResourceExhausted (no room on the disk) and
  // kFailedPrecondition (the disk is read-only): calls succeed again once they
  // can. kUnavailable: the disk failed, kDataLoss: damage was met; the library must
  // be opened again.
  // MayBeKept says which calls the next opening may bring back.
  //
  // `model_fingerprint` is of the model that made the vectors in the mutations:
  // one with vectors of another model than the active generation's is refused
  // (kFailedPrecondition). It may be empty while the library has had one
  // generation only.
  virtual absl::StatusOr<std::vector<absl::Status>> Commit(std::vector<Mutation> mutations,
                                                           absl::string_view model_fingerprint) = 0;
  absl::StatusOr<std::vector<absl::Status>> Commit(std::vector<Mutation> mutations) {
    return Commit(std::move(mutations), absl::string_view());
  }

  virtual WriteHealth write_health() const = 0;

  // --- Reading ---

  // kNotFound when absent, for all of these.
  virtual absl::StatusOr<eidetic::storage::v1::PathRecord> GetPath(absl::string_view path) const = 0;
  virtual absl::StatusOr<Asset> GetAsset(absl::string_view asset_id) const = 0;
  virtual absl::StatusOr<std::string> GetAssetId(Ordinal ordinal) const = 0;
  // Of whichever generation is active at the moment; see Generation::GetEmbedding.
  virtual absl::StatusOr<std::vector<float>> GetEmbedding(Ordinal ordinal) const = 0;
  virtual absl::StatusOr<CaptionEntry> GetCaption(CaptionId id) const = 0;
  // Records of several rows at once; absent ones are nullopt.
  virtual absl::StatusOr<std::vector<std::optional<Asset>>> GetAssets(
      std::span<const Ordinal> ordinals) const = 0;
  // Captions of an asset by slot; empty when it has none.
  virtual absl::StatusOr<std::vector<CaptionEntry>> GetCaptions(Ordinal ordinal) const = 0;
  virtual absl::StatusOr<std::vector<std::pair<CaptionId, std::vector<float>>>> GetCaptionEmbeddings(
      Ordinal ordinal) const = 0;
  // Assets by rising ordinal, from the first above `after` (nullopt: from the start).
  virtual absl::StatusOr<std::vector<Asset>> ListAssets(std::optional<Ordinal> after, int limit) const = 0;
  // Calls `visit` for each path that starts with `prefix`, in byte order.
  virtual absl::Status ForEachPath(
      absl::string_view prefix,
      const std::function<absl::Status(absl::string_view path, const eidetic::storage::v1::PathRecord&)>&
          visit) const = 0;
  // Calls `visit` for each asset's record, in no fixed order, all as of one
  // change: its number is returned. Reads from end to end, for those who keep
  // something of every asset.
  virtual absl::StatusOr<uint64_t> ForEachAsset(
      const std::function<absl::Status(const eidetic::storage::v1::AssetRecord&, bool has_captions)>& visit)
      const = 0;
  virtual absl::StatusOr<LibraryCounts> Counts() const = 0;

  // --- The change log ---

  virtual uint64_t last_sequence() const = 0;
  // Names the database and so the history that change numbers count: another one
  // after a restore or a repair.
  virtual const std::string& database_id() const = 0;
  // Changes after `sequence`, at most `limit`. kOutOfRange when the log no
  // longer reaches back that far (the reader must start from a ReadView).
  virtual absl::StatusOr<std::vector<Change>> ReadChanges(uint64_t sequence, int limit) const = 0;
  // Blocks until last_sequence() > `sequence` or the deadline; returns
  // last_sequence().
  virtual uint64_t WaitForChange(uint64_t sequence, absl::Time deadline) const = 0;
  // Forgets changes up to and with `sequence`.
  virtual absl::Status TrimChanges(uint64_t sequence) = 0;
  // Of whichever generation is active at the moment.
  virtual std::unique_ptr<ReadView> NewView() const = 0;

  // --- Care ---

  // Reads everything: checksums, record formats, id ↔ ordinal ↔ path ↔
  // caption ↔ embedding links, vector norms. Faults go to `fault`; `progress`
  // gets (records read, records expected) and stops the work by returning
  // false (→ kCancelled). An error status means it could not go on.
  virtual absl::Status VerifyAll(const std::function<void(const Fault&)>& fault,
                                 const std::function<bool(uint64_t, uint64_t)>& progress) const = 0;

  // Adds a backup to a backup folder (storage/backup.h) while others read and
  // write: it holds all that was acknowledged before, and of what is written
  // meanwhile a beginning. Files that earlier backups hold are not copied again.
  // When it returns OK the backup is durable and was verified by its checksums;
  // otherwise it is not there, and earlier ones are as they were. Errors:
  // kInvalidArgument (the folder is inside the library),
  // kFailedPrecondition (it holds other things, another library's backups, or
  // those of a newer format), kUnavailable (another process works on it),
  // kDataLoss (a file of an earlier backup is damaged), kResourceExhausted (disk
  // full), kCancelled.
  virtual absl::StatusOr<Backup> CreateBackup(const BackupOptions& options) = 0;
};

// Whether the changes of a Commit that failed with this status may be there,
// all of them and whole, when the library is opened again before a change
// succeeded. Those of other failed calls never are.
bool MayBeKept(const absl::Status& status);

// Asset id of a file's content: the first 128 bits of its SHA-256 as 32
// lower-case hexadecimal digits.
std::string ContentAssetId(std::span<const uint8_t> bytes);

// kInvalidArgument unless `asset_id` is 1 to 128 characters of [A-Za-z0-9._-].
absl::Status ValidateAssetId(absl::string_view asset_id);

// `path` for people and protos: bytes that are not UTF-8 and control characters
// become \xNN.
std::string DisplayPath(absl::string_view path);

}  // namespace eidetic::storage

#endif  // EIDETIC_STORAGE_LIBRARY_H_
