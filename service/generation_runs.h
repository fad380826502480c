// The work behind eidetic.v1.GenerationService: filling a generation, switching
// to it, dropping generations. Each takes the session's index_run, so that
// neither indexing nor another of them goes on beside it. Any thread.
#ifndef EIDETIC_SERVICE_GENERATION_RUNS_H_
#define EIDETIC_SERVICE_GENERATION_RUNS_H_

#include <grpcpp/support/sync_stream.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "eidetic/v1/generation_service.pb.h"
#include "service/cancellation.h"
#include "service/library_session.h"

namespace eidetic::service {

// Retired generations are dropped after this time.
inline constexpr absl::Duration kRetiredGenerationGrace = absl::Hours(30 * 24);

// Errors: see the proto.
absl::Status RunFillGeneration(const eidetic::v1::FillGenerationRequest& request, LibrarySession& session,
                               const Cancellation& cancellation,
                               grpc::ServerWriterInterface<eidetic::v1::FillGenerationResponse>& writer);

absl::Status RunAbortGeneration(LibrarySession& session, const Cancellation& cancellation,
                                eidetic::v1::AbortGenerationResponse& response);

absl::Status RunDropGeneration(const eidetic::v1::DropGenerationRequest& request, LibrarySession& session);

// Drops generations that were retired more than `grace` ago.
absl::Status DropExpiredGenerations(storage::Library& library, absl::Duration grace);

eidetic::v1::GenerationStatus MakeGenerationProto(const storage::GenerationStatus& status);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_GENERATION_RUNS_H_
