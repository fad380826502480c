// The work of LibraryService.CreateBackup: one backup at a time, with progress.
// Stateless; any thread.
#ifndef EIDETIC_SERVICE_CREATE_BACKUP_H_
#define EIDETIC_SERVICE_CREATE_BACKUP_H_

#include <grpcpp/support/sync_stream.h>

#include "absl/status/status.h"
#include "eidetic/v1/library_service.pb.h"
#include "service/cancellation.h"
#include "service/library_session.h"

namespace eidetic::service {

// kInvalidArgument (a path that may not be), kAborted (another backup runs), and
// what storage::Library::CreateBackup returns.
absl::Status RunCreateBackup(const eidetic::v1::CreateBackupRequest& request, LibrarySession& session,
                             const Cancellation& cancellation,
                             grpc::ServerWriterInterface<eidetic::v1::CreateBackupResponse>& writer);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_CREATE_BACKUP_H_
