// All that a library holds of an asset ↔ the message that carries it to another
// library. Stateless; any thread.
#ifndef EIDETIC_SERVICE_PORTABLE_ASSET_H_
#define EIDETIC_SERVICE_PORTABLE_ASSET_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "eidetic/v1/portable_asset.pb.h"
#include "service/asset_writer.h"
#include "service/model_session.h"
#include "storage/library.h"

namespace eidetic::service {

// Its embeddings do not say of which model they are: the export's header does.
eidetic::v1::PortableAsset MakePortableAsset(const storage::WholeAsset& asset, bool with_embeddings);

// Ready to be written; captions without an embedding wait for the text tower.
// `field` is the path of `asset` in its request. kInvalidArgument with
// BadRequest.
absl::StatusOr<PendingAsset> PreparePortableAsset(const eidetic::v1::PortableAsset& asset,
                                                  ModelSession& model, absl::string_view field);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_PORTABLE_ASSET_H_
