// eidetic.v1.SearchService over one library. Borrows the session; any thread.
#ifndef EIDETIC_SERVICE_SEARCH_SERVICE_H_
#define EIDETIC_SERVICE_SEARCH_SERVICE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eidetic/v1/search_service.grpc.pb.h"
#include "service/cancellation.h"
#include "service/library_session.h"

namespace eidetic::service {

class SearchServiceImpl final : public eidetic::v1::SearchService::Service {
 public:
  explicit SearchServiceImpl(LibrarySession* session) : session_(session) {}

  grpc::Status Search(grpc::ServerContext* context, const eidetic::v1::SearchRequest* request,
                      eidetic::v1::SearchResponse* response) override;
  grpc::Status Caption(grpc::ServerContext* context, const eidetic::v1::CaptionRequest* request,
                       eidetic::v1::CaptionResponse* response) override;

 private:
  absl::Status FindAssets(const eidetic::v1::SearchRequest& request, const Cancellation& cancellation,
                          eidetic::v1::SearchResponse& response);
  absl::Status FindCaptions(const eidetic::v1::CaptionRequest& request, const Cancellation& cancellation,
                            eidetic::v1::CaptionResponse& response);

  LibrarySession* session_;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_SEARCH_SERVICE_H_
