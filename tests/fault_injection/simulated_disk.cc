#include "tests/fault_injection/simulated_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"

namespace eidetic::fault_injection {

namespace fs = std::filesystem;

struct FileState {
  uint64_t written = 0;
  // Bytes that outlive the power.
  uint64_t synced = 0;
  // After a failed sync the system may have dropped what was to be written: no
  // later sync saves it.
  bool sync_failed = false;
  bool settled = false;
};

namespace {

std::string Normal(const std::string& path) {
  std::string normal = fs::path(path).lexically_normal().string();
  while (normal.size() > 1 && normal.back() == '/') normal.pop_back();
  return normal;
}

std::string Parent(const std::string& normal) { return fs::path(normal).parent_path().string(); }

bool IsChange(DiskOperation operation) {
  return operation != DiskOperation::kOpen && operation != DiskOperation::kRead;
}

bool Covers(DiskOperation kind, DiskOperation operation) {
  if (kind == DiskOperation::kAnyChange) return IsChange(operation);
  return kind == DiskOperation::kAny || kind == operation;
}

int ErrnoOf(FaultEffect effect) {
  if (effect == FaultEffect::kNoSpace) return ENOSPC;
  return effect == FaultEffect::kReadOnly ? EROFS : EIO;
}

int WriteAll(int descriptor, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(descriptor, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
  return 0;
}

}  // namespace

SimulatedFile::SimulatedFile(int descriptor, std::string path, std::shared_ptr<FileState> state)
    : descriptor_(descriptor), path_(std::move(path)), state_(std::move(state)) {}

SimulatedFile::~SimulatedFile() { close(descriptor_); }

SimulatedDisk::SimulatedDisk(std::string trash, uint64_t seed) : trash_(std::move(trash)), random_(seed) {
  std::error_code error;
  fs::create_directories(trash_, error);
}

SimulatedDisk::~SimulatedDisk() {
  std::error_code error;
  fs::remove_all(trash_, error);
}

void SimulatedDisk::AddFault(const Fault& fault) {
  const absl::MutexLock lock(&mutex_);
  faults_.emplace_back(fault, 0);
}

void SimulatedDisk::ClearFaults() {
  const absl::MutexLock lock(&mutex_);
  faults_.clear();
}

void SimulatedDisk::SetFreeBytes(std::optional<uint64_t> bytes) {
  const absl::MutexLock lock(&mutex_);
  free_bytes_ = bytes;
}

void SimulatedDisk::SetLatency(absl::Duration latency) {
  const absl::MutexLock lock(&mutex_);
  latency_ = latency;
}

void SimulatedDisk::SetSyncLies(bool lies) {
  const absl::MutexLock lock(&mutex_);
  sync_lies_ = lies;
}

uint64_t SimulatedDisk::count(DiskOperation operation) const {
  const absl::MutexLock lock(&mutex_);
  return counts_[static_cast<size_t>(operation)];
}

void SimulatedDisk::LosePower() {
  const absl::MutexLock lock(&mutex_);
  has_power_ = false;
}

bool SimulatedDisk::has_power() const {
  const absl::MutexLock lock(&mutex_);
  return has_power_;
}

int SimulatedDisk::Open(const std::string& path, bool append, std::unique_ptr<SimulatedFile>& file) {
  Wait();
  const absl::MutexLock lock(&mutex_);
  if (const Verdict verdict = Judge(DiskOperation::kCreate, path); verdict.error != 0) return verdict.error;
  const std::string name = Normal(path);
  struct stat info {};
  const bool exists = stat(name.c_str(), &info) == 0;
  EntryChange change{EntryChange::Kind::kAppeared, Parent(name), name, "", ""};
  if (exists && !append) {
    change.trash = NewTrashName();
    if (rename(name.c_str(), change.trash.c_str()) != 0) return errno;
    MoveState(name, change.trash);
  }
  const int descriptor = open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor < 0) return errno;
  std::shared_ptr<FileState>& state = states_[name];
  if (state == nullptr) {
    state = std::make_shared<FileState>();
    if (exists && append) state->written = state->synced = static_cast<uint64_t>(info.st_size);
  }
  if (!exists || !append) changes_.push_back(std::move(change));
  file.reset(new SimulatedFile(descriptor, name, state));
  return 0;
}

int SimulatedDisk::Append(SimulatedFile& file, absl::string_view bytes) {
  Wait();
  const absl::MutexLock lock(&mutex_);
  const Verdict verdict = Judge(DiskOperation::kWrite, file.path_);
  if (verdict.error != 0 && !verdict.shorten) return verdict.error;
  int error = verdict.error;
  if (verdict.shorten) bytes = bytes.substr(0, bytes.size() / 2);
  if (free_bytes_.has_value()) {
    if (bytes.size() > *free_bytes_) {
      bytes = bytes.substr(0, *free_bytes_);
      error = ENOSPC;
    }
    *free_bytes_ -= bytes.size();
  }
  if (const int failed = WriteAll(file.descriptor_, bytes); failed != 0) return failed;
  file.state_->written += bytes.size();
  return error;
}

int SimulatedDisk::Truncate(SimulatedFile& file, uint64_t size) {
  Wait();
  const absl::MutexLock lock(&mutex_);
  if (const Verdict verdict = Judge(DiskOperation::kWrite, file.path_); verdict.error != 0)
    return verdict.error;
  if (ftruncate(file.descriptor_, static_cast<off_t>(size)) != 0) return errno;
  file.state_->written = size;
  file.state_->synced = std::min(file.state_->synced, size);
  return 0;
}

int SimulatedDisk::Sync(SimulatedFile& file) {
  Wait();
  const absl::MutexLock lock(&mutex_);
  if (const Verdict verdict = Judge(DiskOperation::kSync, file.path_); verdict.error != 0) {
    if (has_power_ && file.state_->synced < file.state_->written) file.state_->sync_failed = true;
    return verdict.error;
  }
  if (!file.state_->sync_failed && !sync_lies_) file.state_->synced = file.state_->written;
  return 0;
}

uint64_t SimulatedDisk::Size(const SimulatedFile& file) const {
  const absl::MutexLock lock(&mutex_);
  return file.state_->written;
}

int SimulatedDisk::Rename(const std::string& from, const std::string& to) {
  Wait();
  const absl::MutexLock lock(&mutex_);
  if (const Verdict verdict = Judge(DiskOperation::kRename, to); verdict.error != 0) return verdict.error;
  const std::string old_name = Normal(from);
  const std::string new_name = Normal(to);
  EntryChange change{EntryChange::Kind::kRenamed, Parent(new_name), new_name, old_name, ""};
  std::error_code error;
  if (fs::exists(new_name, error)) {
    // A second name, so that the renaming itself stays one step.
    change.trash = NewTrashName();
    if (link(new_name.c_str(), change.trash.c_str()) != 0) return errno;
    MoveState(new_name, change.trash);
  }
  if (rename(old_name.c_str(), new_name.c_str()) != 0) return errno;
  MoveState(old_name, new_name);
  changes_.push_back(std::move(change));
  return 0;
}

int SimulatedDisk::Link(const std::string& from, const std::string& to) {
  Wait();
  const absl::MutexLock lock(&mutex_);
  if (const Verdict verdict = Judge(DiskOperation::kCreate, to); verdict.error != 0) return verdict.error;
  const std::string old_name = Normal(from);
  const std::string new_name = Normal(to);
  if (link(old_name.c_str(), new_name.c_str()) != 0) return errno;
  if (const auto state = states_.find(old_name); state != states_.end()) states_[new_name] = state->second;
  changes_.push_back({EntryChange::Kind::kAppeared, Parent(new_name), new_name, "", ""});
  return 0;
}

int SimulatedDisk::CreateDirectory(const std::string& path) {
  Wait();
  const absl::MutexLock lock(&mutex_);
  if (const Verdict verdict = Judge(DiskOperation::kCreate, path); verdict.error != 0) return verdict.error;
  const std::string name = Normal(path);
  if (mkdir(name.c_str(), 0755) != 0) return errno;
  changes_.push_back({EntryChange::Kind::kAppeared, Parent(name), name, "", ""});
  return 0;
}

int SimulatedDisk::Delete(const std::string& path) {
  Wait();
  const absl::MutexLock lock(&mutex_);
  if (const Verdict verdict = Judge(DiskOperation::kDelete, path); verdict.error != 0) return verdict.error;
  const std::string name = Normal(path);
  struct stat info {};
  if (lstat(name.c_str(), &info) != 0) return errno;
  std::error_code error;
  if (S_ISDIR(info.st_mode) && !fs::is_empty(name, error)) return ENOTEMPTY;
  EntryChange change{EntryChange::Kind::kDisappeared, Parent(name), name, "", NewTrashName()};
  if (rename(name.c_str(), change.trash.c_str()) != 0) return errno;
  if (free_bytes_.has_value() && info.st_nlink == 1) *free_bytes_ += static_cast<uint64_t>(info.st_size);
  MoveState(name, change.trash);
  changes_.push_back(std::move(change));
  return 0;
}

int SimulatedDisk::SyncDirectory(const std::string& path) {
  Wait();
  const absl::MutexLock lock(&mutex_);
  if (const Verdict verdict = Judge(DiskOperation::kSyncDirectory, path); verdict.error != 0)
    return verdict.error;
  if (sync_lies_) return 0;
  const std::string name = Normal(path);
  const auto settled = [&](const EntryChange& change) {
    if (change.directory != name) return false;
    std::error_code error;
    if (!change.trash.empty()) {
      fs::remove_all(change.trash, error);
      states_.erase(change.trash);
    }
    return true;
  };
  changes_.erase(std::remove_if(changes_.begin(), changes_.end(), settled), changes_.end());
  return 0;
}

int SimulatedDisk::BeforeOpen(const std::string& path) {
  Wait();
  const absl::MutexLock lock(&mutex_);
  return Judge(DiskOperation::kOpen, path).error;
}

int SimulatedDisk::BeforeRead(const std::string& path, size_t& bytes) {
  Wait();
  const absl::MutexLock lock(&mutex_);
  const Verdict verdict = Judge(DiskOperation::kRead, path);
  if (!verdict.shorten) return verdict.error;
  bytes /= 2;
  return 0;
}

void SimulatedDisk::Wait() const {
  absl::Duration latency;
  {
    const absl::MutexLock lock(&mutex_);
    latency = latency_;
  }
  if (latency > absl::ZeroDuration()) absl::SleepFor(latency);
}

SimulatedDisk::Verdict SimulatedDisk::Judge(DiskOperation operation, const std::string& path) {
  if (!has_power_) return {.error = EIO};
  counts_[static_cast<size_t>(operation)] += 1;
  counts_[static_cast<size_t>(DiskOperation::kAny)] += 1;
  if (IsChange(operation)) counts_[static_cast<size_t>(DiskOperation::kAnyChange)] += 1;
  Verdict verdict;
  for (auto& [fault, matches] : faults_) {
    if (!Covers(fault.operation, operation)) continue;
    if (!absl::StrContains(path, fault.path_part)) continue;
    matches += 1;
    if (matches != fault.nth && !(fault.lasting && matches > fault.nth)) continue;
    if (fault.effect == FaultEffect::kPowerLoss) has_power_ = false;
    const bool splits = operation == DiskOperation::kWrite || operation == DiskOperation::kRead;
    verdict.shorten = fault.effect == FaultEffect::kShort && splits;
    verdict.error = ErrnoOf(fault.effect);
  }
  return verdict;
}

std::string SimulatedDisk::NewTrashName() { return absl::StrCat(trash_, "/", ++trashed_); }

void SimulatedDisk::MoveState(const std::string& from, const std::string& to) {
  const auto state = states_.find(from);
  if (state == states_.end()) return;
  states_[to] = state->second;
  states_.erase(from);
}

absl::Status SimulatedDisk::Restart() {
  const absl::MutexLock lock(&mutex_);
  EIDETIC_RETURN_IF_ERROR(DropUnsyncedBytes());
  EIDETIC_RETURN_IF_ERROR(UndoUnsyncedNames());
  states_.clear();
  changes_.clear();
  std::error_code error;
  fs::remove_all(trash_, error);
  if (!error) fs::create_directories(trash_, error);
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("emptying ", trash_));
  faults_.clear();
  free_bytes_.reset();
  has_power_ = true;
  return absl::OkStatus();
}

// Of the bytes that were not synced none, some or all are there; the end of what
// is there may be zeros or noise, as where the length reached the disk before
// the bytes.
absl::Status SimulatedDisk::DropUnsyncedBytes() {
  for (const auto& [path, state] : states_) {
    if (state->settled || state->synced == state->written) continue;
    state->settled = true;
    const uint64_t unsynced = state->written - state->synced;
    uint64_t kept = 0;
    if (random_() % 2 == 0) kept = random_() % 4 == 0 ? unsynced : random_() % (unsynced + 1);
    const uint64_t size = state->synced + kept;
    if (truncate(path.c_str(), static_cast<off_t>(size)) != 0)
      return absl::ErrnoToStatus(errno, absl::StrCat("cutting ", path));
    const uint64_t chance = random_() % 4;
    if (kept == 0 || chance > 1) continue;
    std::string noise(std::min<uint64_t>(1 + random_() % kept, 4096), '\0');
    if (chance == 1) {
      for (char& byte : noise) byte = static_cast<char>(random_());
    }
    const int descriptor = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return absl::ErrnoToStatus(errno, path);
    const ssize_t wrote =
        pwrite(descriptor, noise.data(), noise.size(), static_cast<off_t>(size - noise.size()));
    close(descriptor);
    if (wrote != static_cast<ssize_t>(noise.size()))
      return absl::UnknownError(absl::StrCat("spoiling ", path));
  }
  return absl::OkStatus();
}

// Of each directory's changes the first few are kept, half of the time none.
absl::Status SimulatedDisk::UndoUnsyncedNames() {
  std::map<std::string, uint64_t> kept;
  for (const EntryChange& change : changes_) kept[change.directory] += 1;
  for (auto& [directory, count] : kept) count = random_() % 2 == 0 ? 0 : random_() % (count + 1);
  std::vector<const EntryChange*> undone;
  for (const EntryChange& change : changes_) {
    if (kept[change.directory] == 0) {
      undone.push_back(&change);
    } else {
      kept[change.directory] -= 1;
    }
  }
  for (auto change = undone.rbegin(); change != undone.rend(); ++change) {
    EIDETIC_RETURN_IF_ERROR(Undo(**change));
  }
  return absl::OkStatus();
}

absl::Status SimulatedDisk::Undo(const EntryChange& change) {
  std::error_code error;
  switch (change.kind) {
    case EntryChange::Kind::kAppeared:
      fs::remove_all(change.path, error);
      break;
    case EntryChange::Kind::kRenamed:
      fs::rename(change.path, change.from, error);
      break;
    case EntryChange::Kind::kDisappeared:
      break;
  }
  if (!error && !change.trash.empty()) fs::rename(change.trash, change.path, error);
  // Gone already together with the directory it was in.
  if (error == std::errc::no_such_file_or_directory) return absl::OkStatus();
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("undoing ", change.path));
  return absl::OkStatus();
}

}  // namespace eidetic::fault_injection
