// What clients put → the library: validation, facts and embeddings of pictures
// and captions, one commit for many assets. Of one model: when the library moves
// to another one meanwhile, it writes nothing more. Borrows library and gate. Any
// thread.
//
//   AssetWriter writer(library, model, write_gate);
//   EIDETIC_ASSIGN_OR_RETURN(PendingAsset pending, writer.Prepare(input, "asset", cancellation));
//   std::vector<PendingAsset> batch;
//   batch.push_back(std::move(pending));
//   EIDETIC_ASSIGN_OR_RETURN(std::vector<absl::Status> written, writer.Write(std::move(batch),
//   cancellation));
#ifndef EIDETIC_SERVICE_ASSET_WRITER_H_
#define EIDETIC_SERVICE_ASSET_WRITER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "eidetic/v1/library_service.pb.h"
#include "eidetic/v1/portable_asset.pb.h"
#include "encoder/dual_encoder.h"
#include "service/cancellation.h"
#include "service/model_session.h"
#include "storage/library.h"

namespace eidetic::service {

// A valid asset that still lacks what the towers make.
struct PendingAsset {
  // Captions have texts without embeddings; the embedding is empty when
  // `picture` is set.
  storage::PutAsset put;
  std::optional<encoder::PreparedPicture> picture;
  // Attached after put.path.
  std::vector<storage::PathInput> more_paths;
};

// Memory that `asset` holds, roughly.
size_t MemoryBytes(const PendingAsset& asset);

class AssetWriter {
 public:
  // `write_gate`: LibrarySession::write_gate.
  AssetWriter(storage::Library* library, std::shared_ptr<ModelSession> model, absl::Mutex* write_gate)
      : library_(library), model_(std::move(model)), write_gate_(write_gate) {}

  // Makes the model the library's when it has none. Call once before Prepare.
  absl::Status Start();

  // Checks and decodes; runs no tower. `field` is the path of `input` in its
  // request. Errors: kInvalidArgument with BadRequest.
  absl::StatusOr<PendingAsset> Prepare(const eidetic::v1::PortableAsset& asset,
                                       absl::string_view field) const;
  absl::StatusOr<PendingAsset> Prepare(const eidetic::v1::AssetInput& input, absl::string_view field,
                                       const Cancellation& cancellation) const;

  // Encodes and commits; durable on return. One status per asset
  // (kFailedPrecondition: the library has moved to another model); an error of the
  // whole means that none is acknowledged.
  absl::StatusOr<std::vector<absl::Status>> Write(std::vector<PendingAsset> assets,
                                                  const Cancellation& cancellation) const;

 private:
  absl::Status PreparePicture(const std::string& image, absl::string_view field,
                              const Cancellation& cancellation, PendingAsset& pending) const;
  absl::Status EmbedPictures(std::vector<PendingAsset>& assets, const Cancellation& cancellation) const;
  absl::Status EmbedCaptions(std::vector<PendingAsset>& assets, const Cancellation& cancellation) const;

  storage::Library* library_;
  std::shared_ptr<ModelSession> model_;
  absl::Mutex* write_gate_;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_ASSET_WRITER_H_
