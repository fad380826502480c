#include "storage/durable_writer.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/library.h"
#include "storage/rocksdb_status.h"

namespace eidetic::storage {
namespace {

constexpr char kMayBeKeptPayload[] = "eidetic.storage/may_be_kept";

// A key of `meta` that is never there.
constexpr char kNoKey[] = "none";

absl::Status InDoubt(const absl::Status& error) {
  absl::Status status(error.code(),
                      absl::StrCat(error.message(),
                                   "; if the library is closed before its next change succeeds, "
                                   "this change may be there when it is opened again"));
  status.SetPayload(kMayBeKeptPayload, absl::Cord());
  return status;
}

}  // namespace

bool MayBeKept(const absl::Status& status) { return status.GetPayload(kMayBeKeptPayload).has_value(); }

absl::Status DurableWriter::Write(rocksdb::WriteBatch& batch) {
  EIDETIC_RETURN_IF_ERROR(Settle());
  absl::Status status = TryToWrite(batch);
  // There may be room again.
  if (!status.ok() && Settle().ok()) status = TryToWrite(batch);
  return status;
}

absl::Status DurableWriter::TryToWrite(rocksdb::WriteBatch& batch) {
  // Leaves something in memory that is in no log: without it Resume may find
  // nothing to flush, and then keeps the log that holds half a write.
  rocksdb::WriteOptions without_log;
  without_log.disableWAL = true;
  cause_ = FromRocksDb(db_->Delete(without_log, meta_, kNoKey), "writing to the library");
  if (!cause_.ok()) {
    state_ = State::kStopped;
    return cause_;
  }
  rocksdb::WriteOptions synced;
  synced.sync = true;
  cause_ = FromRocksDb(db_->Write(synced, &batch), "writing to the library");
  if (cause_.ok()) return absl::OkStatus();
  state_ = State::kInDoubt;
  has_failed_ = true;
  std::unique_ptr<rocksdb::LogFile> log;
  log_in_doubt_ = db_->GetCurrentWalFile(&log).ok() ? log->LogNumber() : 0;
  return InDoubt(cause_);
}

absl::Status DurableWriter::Settle() {
  if (state_ == State::kSound) return absl::OkStatus();
  if (state_ != State::kBroken) {
    // Flushes all that is in memory, begins a new log and, with the flush, forgets
    // the old one for good: a write in doubt is not there then and never will be.
    const rocksdb::Status resumed = db_->Resume();
    if (resumed.ok() && (state_ == State::kStopped || LogWasReplaced())) {
      state_ = State::kSound;
      return absl::OkStatus();
    }
    if (resumed.ok() || resumed.severity() >= rocksdb::Status::kFatalError) state_ = State::kBroken;
  }
  if (state_ != State::kBroken) return cause_;
  return absl::UnavailableError(
      absl::StrCat("the library takes no changes since one failed; open it again (restart the server): ",
                   cause_.message()));
}

bool DurableWriter::LogWasReplaced() const {
  std::unique_ptr<rocksdb::LogFile> log;
  if (log_in_doubt_ == 0 || !db_->GetCurrentWalFile(&log).ok()) return false;
  return log->LogNumber() != log_in_doubt_ || log->SizeFileBytes() == 0;
}

void WriteErrorListener::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status error,
                                              bool* auto_recovery) {
  if (error.severity() >= rocksdb::Status::kHardError) *auto_recovery = false;
}

}  // namespace eidetic::storage
