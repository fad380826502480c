#include "indexer/indexing_run.h"

#include <algorithm>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "encoder/file_contents.h"
#include "proto/status_macros.h"

namespace eidetic::indexer {
namespace {

using storage::v1::PathRecord;

constexpr size_t kChangedCapacity = 1'024;
constexpr size_t kWritesCapacity = 256;
constexpr absl::Duration kReportEvery = absl::Milliseconds(50);
// How long a stage waits for its batch to fill.
constexpr absl::Duration kLinger = absl::Milliseconds(20);
constexpr uint64_t kMaxSidecarBytes = 64 << 10;
constexpr size_t kMaxSidecarCaptions = 100;

bool SameStamps(const PathRecord& known, const FoundPicture& found) {
  const auto sidecar_same = [&] {
    if (known.has_sidecar_mtime_nanos() != found.sidecar_stamp.has_value()) return false;
    return !found.sidecar_stamp.has_value() ||
           (known.sidecar_mtime_nanos() == found.sidecar_stamp->mtime_nanos &&
            known.sidecar_size_bytes() == found.sidecar_stamp->size_bytes);
  };
  return known.mtime_nanos() == found.stamp.mtime_nanos && known.size_bytes() == found.stamp.size_bytes &&
         sidecar_same();
}

bool IsUnder(const std::string& path, const std::string& folder) {
  return path == folder ||
         (absl::StartsWith(path, folder) && (absl::EndsWith(folder, "/") || path[folder.size()] == '/'));
}

// Roots without those that lie under another one.
std::vector<std::string> OuterRoots(std::vector<std::string> roots) {
  for (std::string& root : roots) {
    while (root.size() > 1 && root.back() == '/') root.pop_back();
  }
  std::sort(roots.begin(), roots.end());
  std::vector<std::string> outer;
  for (std::string& root : roots) {
    const bool covered = std::any_of(outer.begin(), outer.end(),
                                     [&](const std::string& other) { return IsUnder(root, other); });
    if (!covered) outer.push_back(std::move(root));
  }
  return outer;
}

}  // namespace

IndexingRun::IndexingRun(storage::Library* library, const encoder::DualEncoder* encoder,
                         const IndexerOptions& options, const IndexRequest& request,
                         const IndexCallbacks& callbacks)
    : library_(library),
      encoder_(encoder),
      options_(options),
      request_(request),
      callbacks_(callbacks),
      start_(absl::Now()),
      preparer_(encoder, options.decode),
      changed_(kChangedCapacity),
      prepared_(PreparedCapacity(options, encoder->info())),
      writes_(kWritesCapacity) {}

absl::StatusOr<IndexSummary> IndexingRun::Execute() {
  if (!request_.captions_path.empty()) {
    EIDETIC_ASSIGN_OR_RETURN(captions_, ReadCaptionFile(request_.captions_path));
    for (const absl::Status& status : captions_->bad_lines) Fail(request_.captions_path, status);
  }
  std::atomic<bool> finished = false;
  std::thread driver([&] {
    Drive();
    finished = true;
  });
  while (!finished) {
    Report();
    absl::SleepFor(kReportEvery);
  }
  driver.join();
  Report();
  const absl::MutexLock lock(&mutex_);
  if (!error_.ok()) return error_;
  summary_.cancelled = cancelled_;
  summary_.seconds = absl::ToDoubleSeconds(absl::Now() - start_);
  return summary_;
}

void IndexingRun::Drive() {
  std::thread scanner([this] { ScanAll(); });
  std::vector<std::thread> workers;
  const int worker_count = WorkerCount(options_);
  workers.reserve(static_cast<size_t>(worker_count));
  for (int i = 0; i < worker_count; ++i) workers.emplace_back([this] { ReadAndDecode(); });
  std::thread encoder([this] { Encode(); });
  std::thread writer([this] { WriteOut(); });
  scanner.join();
  for (std::thread& worker : workers) worker.join();
  prepared_.Close();
  encoder.join();
  writes_.Close();
  writer.join();
  RemoveGone();
  if (Stopped() || !captions_.has_value()) return;
  if (const absl::Status status = AttachCaptions(*captions_); !status.ok()) Break(status);
}

// --- Scanning ---

void IndexingRun::ScanAll() {
  for (const std::string& root : OuterRoots(request_.roots)) {
    if (Stopped()) break;
    ScanRoot(root);
  }
  scanned_ = true;
  stage_ = IndexProgress::Stage::kIndexing;
  changed_.Close();
}

void IndexingRun::ScanRoot(const std::string& root) {
  if (const absl::Status status = LoadKnownPaths(root); !status.ok()) return Break(status);
  unreadable_folders_.clear();
  uint64_t unchanged = 0;
  ScanCallbacks callbacks;
  callbacks.stopped = [this] { return Stopped(); };
  callbacks.failure = [this](const std::string& path, const absl::Status& status, bool is_folder) {
    // What cannot be looked at now is not known to be gone.
    if (is_folder) {
      unreadable_folders_.push_back(path);
    } else if (const auto known = known_.find(path); known != known_.end()) {
      known->second.seen = true;
    }
    Fail(path, status);
  };
  callbacks.file = [&](FoundPicture found) {
    ++found_;
    if (captions_.has_value()) {
      const std::string name = found.path.substr(found.path.rfind('/') + 1);
      const auto [place, added] = path_of_name_.emplace(name, found.path);
      if (!added && place->second != found.path) place->second.clear();
    }
    Work work;
    work.found = std::move(found);
    if (const auto known = known_.find(work.found.path); known != known_.end()) {
      known->second.seen = true;
      if (SameStamps(known->second.record, work.found)) {
        ++unchanged;
        return !Stopped();
      }
      work.known = known->second.record;
    }
    ++to_do_;
    return changed_.Push(std::move(work));
  };
  ScanFolder(root, callbacks);
  {
    const absl::MutexLock lock(&mutex_);
    summary_.unchanged += unchanged;
  }
  if (!Stopped()) NoteGone();
  known_.clear();
}

absl::Status IndexingRun::LoadKnownPaths(const std::string& root) {
  const absl::StatusOr<PathRecord> itself = library_->GetPath(root);
  if (itself.ok()) known_[root].record = *itself;
  const std::string prefix = absl::EndsWith(root, "/") ? root : absl::StrCat(root, "/");
  return library_->ForEachPath(prefix, [this](absl::string_view path, const PathRecord& record) {
    known_[std::string(path)].record = record;
    return absl::OkStatus();
  });
}

void IndexingRun::NoteGone() {
  for (const auto& [path, known] : known_) {
    if (known.seen) continue;
    const bool unknown =
        std::any_of(unreadable_folders_.begin(), unreadable_folders_.end(),
                    [&path = path](const std::string& folder) { return IsUnder(path, folder); });
    if (unknown) continue;
    gone_.push_back(path);
  }
}

// --- Reading and decoding ---

void IndexingRun::ReadAndDecode() {
  while (std::optional<Work> work = changed_.Pop()) Process(*std::move(work));
}

void IndexingRun::Process(Work work) {
  const std::string path = work.found.path;
  const auto fail = [&](const absl::Status& status) {
    Fail(path, status);
    ++done_;
  };
  absl::StatusOr<std::string> content = encoder::ReadFileContents(path, options_.decode.max_file_bytes);
  if (!content.ok()) return fail(content.status());
  const std::span<const uint8_t> bytes(reinterpret_cast<const uint8_t*>(content->data()), content->size());

  if (work.found.sidecar_stamp.has_value()) {
    storage::CaptionSet& set = work.sidecar.emplace();
    set.source = eidetic::v1::CAPTION_SOURCE_SIDECAR;
    const absl::StatusOr<std::string> text =
        encoder::ReadFileContents(work.found.sidecar_path, kMaxSidecarBytes);
    if (!text.ok()) {
      Fail(work.found.sidecar_path, text.status());
      work.sidecar.reset();
    } else {
      for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
        std::string caption = CleanCaption(line);
        if (!caption.empty() && set.captions.size() < kMaxSidecarCaptions)
          set.captions.push_back({caption, {}});
      }
    }
  } else if (work.known.has_value() && work.known->has_sidecar_mtime_nanos()) {
    work.sidecar.emplace().source = eidetic::v1::CAPTION_SOURCE_SIDECAR;  // it is gone: no captions
  }

  work.asset_id = storage::ContentAssetId(bytes);
  if (JoinTwin(work)) return;
  const absl::StatusOr<storage::Asset> asset = library_->GetAsset(work.asset_id);
  if (asset.ok()) {
    // Moved, copied or touched: nothing to encode but a sidecar's text.
    std::vector<Work> alone;
    alone.push_back(std::move(work));
    if (const absl::Status status = EmbedCaptions(alone); !status.ok()) return FailAsset(alone[0], status);
    writes_.Push(AttachWrite(alone[0]));
    return;
  }
  if (!absl::IsNotFound(asset.status())) return FailAsset(work, asset.status());

  absl::StatusOr<encoder::PreparedPicture> picture = preparer_.Prepare(bytes);
  if (!picture.ok()) return FailAsset(work, picture.status());
  work.picture = *std::move(picture);
  work.facts = ReadAssetFacts(bytes, work.picture.info);
  prepared_.Push(std::move(work));
}

bool IndexingRun::JoinTwin(Work& work) {
  const absl::MutexLock lock(&mutex_);
  const auto [twins, first] = twins_.try_emplace(work.asset_id);
  if (!first) twins->second.push_back(std::move(work));
  return !first;
}

// --- Encoding ---

void IndexingRun::Encode() {
  while (true) {
    std::vector<Work> batch =
        prepared_.PopMany(static_cast<size_t>(std::max(1, options_.encode_batch)), kLinger);
    if (batch.empty()) return;
    EncodeBatch(std::move(batch));
  }
}

void IndexingRun::EncodeBatch(std::vector<Work> batch) {
  std::vector<encoder::PreparedPicture> pictures;
  pictures.reserve(batch.size());
  for (Work& work : batch) pictures.push_back(std::move(work.picture));
  std::vector<absl::StatusOr<std::vector<float>>> embeddings = EncodeEach(*encoder_, pictures);
  std::vector<Work> encoded;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (!embeddings[i].ok()) {
      FailAsset(batch[i], embeddings[i].status());
      continue;
    }
    batch[i].embedding = *std::move(embeddings[i]);
    encoded.push_back(std::move(batch[i]));
  }
  if (EmbedCaptions(encoded).ok()) {
    for (Work& work : encoded) FinishPut(std::move(work));
    return;
  }
  for (Work& work : encoded) {
    std::vector<Work> alone;
    alone.push_back(std::move(work));
    if (const absl::Status status = EmbedCaptions(alone); !status.ok()) {
      FailAsset(alone[0], status);
    } else {
      FinishPut(std::move(alone[0]));
    }
  }
}

absl::Status IndexingRun::EmbedCaptions(std::vector<Work>& batch) {
  std::vector<std::string> texts;
  for (const Work& work : batch) {
    for (const auto& [source, text] : work.facts.captions) texts.push_back(text);
    if (!work.sidecar.has_value()) continue;
    for (const storage::CaptionInput& caption : work.sidecar->captions) texts.push_back(caption.text);
  }
  if (texts.empty()) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(const encoder::Embeddings embeddings, encoder_->EncodeTexts(texts));
  size_t row = 0;
  const auto next = [&] {
    const std::span<const float> values = embeddings.row(row++);
    return std::vector<float>(values.begin(), values.end());
  };
  for (Work& work : batch) {
    work.embedded.clear();
    for (const auto& [source, text] : work.facts.captions) {
      storage::CaptionSet set;
      set.source = source;
      set.captions.push_back({text, next()});
      work.embedded.push_back(std::move(set));
    }
    if (!work.sidecar.has_value()) continue;
    for (storage::CaptionInput& caption : work.sidecar->captions) caption.embedding = next();
  }
  return absl::OkStatus();
}

storage::PathInput IndexingRun::PathOf(const Work& work) {
  storage::PathInput path;
  path.path = work.found.path;
  path.record.set_mtime_nanos(work.found.stamp.mtime_nanos);
  path.record.set_size_bytes(work.found.stamp.size_bytes);
  if (work.found.sidecar_stamp.has_value()) {
    path.record.set_sidecar_mtime_nanos(work.found.sidecar_stamp->mtime_nanos);
    path.record.set_sidecar_size_bytes(work.found.sidecar_stamp->size_bytes);
  }
  return path;
}

storage::AttachPath IndexingRun::AttachOf(const Work& work) {
  storage::AttachPath attach;
  attach.asset_id = work.asset_id;
  attach.path = PathOf(work);
  if (work.sidecar.has_value()) attach.caption_sets.push_back(*work.sidecar);
  return attach;
}

IndexingRun::Write IndexingRun::AttachWrite(const Work& work) {
  const bool same_place = work.known.has_value() && work.known->asset_id() == work.asset_id;
  return {AttachOf(work), same_place ? Outcome::kUnchanged : Outcome::kMoved, work.found.path, work.asset_id,
          work.sidecar.has_value() ? work.sidecar->captions.size() : 0};
}

void IndexingRun::FinishPut(Work work) {
  storage::PutAsset put;
  put.asset_id = work.asset_id;
  put.record = std::move(work.facts.record);
  put.path = PathOf(work);
  put.embedding = std::move(work.embedding);
  put.caption_sets = std::move(work.embedded);
  if (work.sidecar.has_value()) put.caption_sets.push_back(*std::move(work.sidecar));
  uint64_t captions = 0;
  for (const storage::CaptionSet& set : put.caption_sets) captions += set.captions.size();
  writes_.Push({std::move(put), Outcome::kIndexed, work.found.path, work.asset_id, captions});
}

// --- Writing ---

void IndexingRun::WriteOut() {
  while (true) {
    std::vector<Write> writes =
        writes_.PopMany(static_cast<size_t>(std::max(1, options_.commit_batch)), kLinger);
    if (writes.empty()) return;
    CommitWrites(std::move(writes));
  }
}

void IndexingRun::CommitWrites(std::vector<Write> writes) {
  while (!writes.empty()) {
    std::vector<storage::Mutation> mutations;
    mutations.reserve(writes.size());
    for (Write& write : writes) mutations.push_back(std::move(write.mutation));
    const absl::StatusOr<std::vector<absl::Status>> results =
        library_->Commit(std::move(mutations), encoder_->info().fingerprint);
    if (!results.ok()) return Break(results.status());
    // Files that waited for the content of another one come right after it.
    std::vector<Write> waiting;
    for (size_t i = 0; i < writes.size(); ++i) {
      const Write& write = writes[i];
      const absl::Status& status = (*results)[i];
      const bool removed = write.outcome == Outcome::kRemoved;
      if (!removed) ++done_;
      std::vector<Work> twins;
      {
        const absl::MutexLock lock(&mutex_);
        if (status.ok()) {
          summary_.captions += write.captions;
          switch (write.outcome) {
            case Outcome::kIndexed:
              ++summary_.indexed;
              break;
            case Outcome::kMoved:
              ++summary_.moved;
              break;
            case Outcome::kUnchanged:
              ++summary_.unchanged;
              break;
            case Outcome::kRemoved:
              ++summary_.removed;
              break;
          }
        }
        if (const auto found = twins_.find(write.asset_id);
            !write.asset_id.empty() && found != twins_.end()) {
          twins = std::move(found->second);
          twins_.erase(found);
        }
      }
      // A path that another mutation of this run took away is gone as wished.
      if (!status.ok() && !(removed && absl::IsNotFound(status))) Fail(write.path, status);
      for (Work& twin : twins) {
        if (!status.ok()) {
          Fail(twin.found.path, status);
          ++done_;
          continue;
        }
        std::vector<Work> alone;
        alone.push_back(std::move(twin));
        if (const absl::Status embedded = EmbedCaptions(alone); !embedded.ok()) {
          Fail(alone[0].found.path, embedded);
          ++done_;
          continue;
        }
        waiting.push_back(AttachWrite(alone[0]));
      }
    }
    writes = std::move(waiting);
  }
}

// After everything else: what moved has its new path by then and stays.
void IndexingRun::RemoveGone() {
  std::vector<Write> writes;
  for (size_t i = 0; i < gone_.size() && !Stopped(); ++i) {
    writes.push_back({storage::DetachPath{gone_[i]}, Outcome::kRemoved, gone_[i], {}, 0});
    if (writes.size() == kWritesCapacity || i + 1 == gone_.size()) CommitWrites(std::exchange(writes, {}));
  }
}

// --- Telling ---

void IndexingRun::FailAsset(const Work& work, const absl::Status& status) {
  std::vector<Work> twins;
  {
    const absl::MutexLock lock(&mutex_);
    if (const auto found = twins_.find(work.asset_id); found != twins_.end()) {
      twins = std::move(found->second);
      twins_.erase(found);
    }
  }
  Fail(work.found.path, status);
  for (const Work& twin : twins) Fail(twin.found.path, status);
  done_ += 1 + twins.size();
}

void IndexingRun::Fail(const std::string& path, absl::Status status) {
  const absl::MutexLock lock(&mutex_);
  ++summary_.failed;
  new_failures_.push_back({path, std::move(status)});
}

void IndexingRun::Break(const absl::Status& status) {
  {
    const absl::MutexLock lock(&mutex_);
    if (error_.ok()) error_ = status;
  }
  stop_ = true;
  changed_.Abort();
  prepared_.Abort();
  writes_.Abort();
}

void IndexingRun::Report() {
  if (!Stopped() && callbacks_.cancelled && callbacks_.cancelled()) {
    cancelled_ = true;
    stop_ = true;
    changed_.Abort();
    prepared_.Abort();
    writes_.Abort();
  }
  std::vector<IndexFailure> failures;
  {
    const absl::MutexLock lock(&mutex_);
    failures.swap(new_failures_);
  }
  if (callbacks_.failure) {
    for (const IndexFailure& failure : failures) callbacks_.failure(failure);
  }
  if (!callbacks_.progress) return;
  IndexProgress progress;
  progress.stage = stage_;
  if (progress.stage != reported_stage_) rate_.Reset();
  reported_stage_ = progress.stage;
  switch (progress.stage) {
    case IndexProgress::Stage::kScanning:
      // Nothing new yet: what is seen counts. Otherwise the work that goes on.
      progress.done = to_do_ > 0 ? done_.load() : found_.load();
      if (to_do_ > 0) progress.stage = IndexProgress::Stage::kIndexing;
      break;
    case IndexProgress::Stage::kIndexing:
      progress.done = done_;
      progress.total = to_do_;
      break;
    case IndexProgress::Stage::kCaptions:
      progress.done = captions_done_;
      progress.total = captions_total_;
      break;
  }
  progress.units_per_second = rate_.Update(progress.done, absl::Now());
  callbacks_.progress(progress);
}

}  // namespace eidetic::indexer
