// One import stream: takes items as they arrive, decodes them in the caller's
// thread and writes them in groups in a thread of its own, so that the network,
// the towers and the disk work at the same time with bounded memory. Used by one
// thread.
//
//   AssetImport import(&writer, cancellation);
//   while (reader->Read(&request)) EIDETIC_RETURN_IF_ERROR(import.Add(request.asset()));
//   EIDETIC_ASSIGN_OR_RETURN(*response, import.Finish());
#ifndef EIDETIC_SERVICE_ASSET_IMPORT_H_
#define EIDETIC_SERVICE_ASSET_IMPORT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "eidetic/v1/library_service.pb.h"
#include "service/asset_writer.h"
#include "service/cancellation.h"

namespace eidetic::service {

class AssetImport {
 public:
  AssetImport(const AssetWriter* writer, const Cancellation& cancellation);
  // Drops what was not written.
  ~AssetImport();
  AssetImport(const AssetImport&) = delete;
  AssetImport& operator=(const AssetImport&) = delete;

  // A bad item is noted and skipped. Waits while too much is in flight. An error
  // means that the import cannot go on.
  absl::Status Add(const eidetic::v1::AssetInput& input);
  // The same for an asset of another library.
  absl::Status Add(const eidetic::v1::PortableAsset& asset);

  // Waits until everything is written.
  absl::StatusOr<eidetic::v1::ImportAssetsResponse> Finish();

 private:
  struct Item {
    uint64_t position = 0;
    std::string asset_id;  // as given
    PendingAsset pending;
    size_t bytes = 0;
  };

  absl::Status Queue(const std::string& asset_id, absl::StatusOr<PendingAsset> pending);
  void WriteGroups();
  std::vector<Item> TakeGroup();
  absl::Status WriteGroup(std::vector<Item> group);
  void AddFailure(uint64_t position, const std::string& asset_id, const absl::Status& status);
  void Stop(bool drop_queue);

  const AssetWriter* const writer_;
  const Cancellation cancellation_;
  uint64_t next_position_ = 0;

  absl::Mutex mutex_;
  std::deque<Item> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  eidetic::v1::ImportAssetsResponse response_ ABSL_GUARDED_BY(mutex_);
  std::thread writing_;  // last: uses all of the above
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_ASSET_IMPORT_H_
