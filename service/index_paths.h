// LibraryService.IndexPaths: one run of the indexer, told to the client as it
// goes.
#ifndef EIDETIC_SERVICE_INDEX_PATHS_H_
#define EIDETIC_SERVICE_INDEX_PATHS_H_

#include <grpcpp/support/sync_stream.h>

#include "absl/status/status.h"
#include "eidetic/v1/library_service.pb.h"
#include "service/cancellation.h"
#include "service/library_session.h"

namespace eidetic::service {

// Returns when the run has ended and searches see its outcome. kAborted while
// another run goes on.
absl::Status RunIndexPaths(const eidetic::v1::IndexPathsRequest& request, LibrarySession& session,
                           const Cancellation& cancellation,
                           grpc::ServerWriterInterface<eidetic::v1::IndexPathsResponse>& writer);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_INDEX_PATHS_H_
