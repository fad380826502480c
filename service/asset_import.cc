#include "service/asset_import.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "proto/status_macros.h"
#include "service/bounded_text.h"

namespace eidetic::service {
namespace {

// A group is written when it has this many items or bytes, or its first item
// has waited this long.
constexpr size_t kGroupItems = 256;
constexpr size_t kGroupBytes = size_t{32} << 20;
constexpr absl::Duration kGroupDelay = absl::Milliseconds(50);
constexpr size_t kQueueItems = 1024;
constexpr size_t kQueueBytes = size_t{64} << 20;

constexpr int kMaxListedFailures = 1'000;
constexpr size_t kMaxFailureBytes = 512;

}  // namespace

AssetImport::AssetImport(const AssetWriter* writer, const Cancellation& cancellation)
    : writer_(writer), cancellation_(cancellation), writing_([this] { WriteGroups(); }) {}

AssetImport::~AssetImport() { Stop(/*drop_queue=*/true); }

absl::Status AssetImport::Add(const eidetic::v1::AssetInput& input) {
  return Queue(input.asset_id(), writer_->Prepare(input, "asset", cancellation_));
}

absl::Status AssetImport::Add(const eidetic::v1::PortableAsset& asset) {
  return Queue(asset.asset_id(), writer_->Prepare(asset, "portable_asset"));
}

absl::Status AssetImport::Queue(const std::string& asset_id, absl::StatusOr<PendingAsset> pending) {
  const uint64_t position = next_position_++;
  EIDETIC_RETURN_IF_ERROR(cancellation_.Check());
  absl::MutexLock lock(&mutex_);
  if (absl::IsInvalidArgument(pending.status())) {
    AddFailure(position, asset_id, pending.status());
    return status_;
  }
  EIDETIC_RETURN_IF_ERROR(pending.status());
  const auto has_room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return (queue_.size() < kQueueItems && queued_bytes_ < kQueueBytes) || !status_.ok();
  };
  mutex_.Await(absl::Condition(&has_room));
  EIDETIC_RETURN_IF_ERROR(status_);
  const size_t bytes = MemoryBytes(*pending);
  queue_.push_back({position, asset_id, *std::move(pending), bytes});
  queued_bytes_ += bytes;
  return absl::OkStatus();
}

absl::StatusOr<eidetic::v1::ImportAssetsResponse> AssetImport::Finish() {
  Stop(/*drop_queue=*/false);
  absl::MutexLock lock(&mutex_);
  if (!status_.ok()) {
    return AddContext(status_, absl::StrCat("the import stopped after ", response_.imported_count(),
                                            " assets were stored, which stay"));
  }
  std::sort(response_.mutable_failures()->begin(), response_.mutable_failures()->end(),
            [](const auto& a, const auto& b) { return a.position() < b.position(); });
  return response_;
}

void AssetImport::Stop(bool drop_queue) {
  {
    absl::MutexLock lock(&mutex_);
    ended_ = true;
    if (drop_queue) queue_.clear();
  }
  if (writing_.joinable()) writing_.join();
}

void AssetImport::WriteGroups() {
  while (true) {
    std::vector<Item> group = TakeGroup();
    if (group.empty()) return;
    absl::Status written;
    try {
      written = WriteGroup(std::move(group));
    } catch (const std::exception& error) {
      written = absl::InternalError(absl::StrCat("writing a group of assets failed: ", error.what()));
    }
    if (!written.ok()) {
      absl::MutexLock lock(&mutex_);
      status_ = std::move(written);
      queue_.clear();
      return;
    }
  }
}

// Empty when the import has ended.
std::vector<AssetImport::Item> AssetImport::TakeGroup() {
  absl::MutexLock lock(&mutex_);
  const auto has_item = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !queue_.empty() || ended_; };
  const auto is_full = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return queue_.size() >= kGroupItems || queued_bytes_ >= kGroupBytes || ended_;
  };
  mutex_.Await(absl::Condition(&has_item));
  mutex_.AwaitWithTimeout(absl::Condition(&is_full), kGroupDelay);
  std::vector<Item> group;
  for (size_t bytes = 0; !queue_.empty() && group.size() < kGroupItems && bytes < kGroupBytes;) {
    bytes += queue_.front().bytes;
    queued_bytes_ -= queue_.front().bytes;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

absl::Status AssetImport::WriteGroup(std::vector<Item> group) {
  std::vector<PendingAsset> assets;
  assets.reserve(group.size());
  for (Item& item : group) assets.push_back(std::move(item.pending));
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<absl::Status> written,
                           writer_->Write(std::move(assets), cancellation_));
  absl::MutexLock lock(&mutex_);
  for (size_t i = 0; i < group.size(); ++i) {
    if (written[i].ok()) {
      response_.set_imported_count(response_.imported_count() + 1);
    } else {
      AddFailure(group[i].position, group[i].asset_id, written[i]);
    }
  }
  return absl::OkStatus();
}

void AssetImport::AddFailure(uint64_t position, const std::string& asset_id, const absl::Status& status) {
  mutex_.AssertHeld();
  response_.set_failed_count(response_.failed_count() + 1);
  if (response_.failures_size() == kMaxListedFailures) return;
  eidetic::v1::ImportFailure* failure = response_.add_failures();
  failure->set_position(position);
  failure->set_asset_id(BoundedText(asset_id, kMaxFailureBytes));
  failure->set_code(static_cast<int32_t>(status.code()));
  failure->set_message(BoundedText(status.message(), kMaxFailureBytes));
}

}  // namespace eidetic::service
