// The work of LibraryService.ExportAssets. Stateless; any thread.
#ifndef EIDETIC_SERVICE_EXPORT_ASSETS_H_
#define EIDETIC_SERVICE_EXPORT_ASSETS_H_

#include <grpcpp/support/sync_stream.h>

#include "absl/status/status.h"
#include "eidetic/v1/library_service.pb.h"
#include "service/cancellation.h"
#include "service/library_session.h"

namespace eidetic::service {

// kDataLoss names the asset that cannot be read.
absl::Status RunExportAssets(const eidetic::v1::ExportAssetsRequest& request, LibrarySession& session,
                             const Cancellation& cancellation,
                             grpc::ServerWriterInterface<eidetic::v1::ExportAssetsResponse>& writer);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_EXPORT_ASSETS_H_
