// LibraryService.VerifyLibrary: reads the whole database, then compares samples
// with the index in memory.
#ifndef EIDETIC_SERVICE_VERIFY_LIBRARY_H_
#define EIDETIC_SERVICE_VERIFY_LIBRARY_H_

#include <grpcpp/support/sync_stream.h>

#include "absl/status/status.h"
#include "eidetic/v1/library_service.pb.h"
#include "service/cancellation.h"
#include "service/library_session.h"

namespace eidetic::service {

// Faults are messages of the stream, not an error.
absl::Status RunVerifyLibrary(LibrarySession& session, const Cancellation& cancellation,
                              grpc::ServerWriterInterface<eidetic::v1::VerifyLibraryResponse>& writer);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_VERIFY_LIBRARY_H_
