// eidetic.v1.LibraryService over one library. Borrows the session; any thread.
#ifndef EIDETIC_SERVICE_LIBRARY_SERVICE_H_
#define EIDETIC_SERVICE_LIBRARY_SERVICE_H_

#include "eidetic/v1/library_service.grpc.pb.h"
#include "service/library_session.h"

namespace eidetic::service {

class LibraryServiceImpl final : public eidetic::v1::LibraryService::Service {
 public:
  explicit LibraryServiceImpl(LibrarySession* session) : session_(session) {}

  grpc::Status PutAsset(grpc::ServerContext* context, const eidetic::v1::PutAssetRequest* request,
                        eidetic::v1::PutAssetResponse* response) override;
  grpc::Status ImportAssets(grpc::ServerContext* context,
                            grpc::ServerReader<eidetic::v1::ImportAssetsRequest>* reader,
                            eidetic::v1::ImportAssetsResponse* response) override;
  grpc::Status ExportAssets(grpc::ServerContext* context, const eidetic::v1::ExportAssetsRequest* request,
                            grpc::ServerWriter<eidetic::v1::ExportAssetsResponse>* writer) override;
  grpc::Status GetAsset(grpc::ServerContext* context, const eidetic::v1::GetAssetRequest* request,
                        eidetic::v1::GetAssetResponse* response) override;
  grpc::Status ListAssets(grpc::ServerContext* context, const eidetic::v1::ListAssetsRequest* request,
                          eidetic::v1::ListAssetsResponse* response) override;
  grpc::Status DeleteAsset(grpc::ServerContext* context, const eidetic::v1::DeleteAssetRequest* request,
                           eidetic::v1::DeleteAssetResponse* response) override;
  grpc::Status GetStatus(grpc::ServerContext* context, const eidetic::v1::GetStatusRequest* request,
                         eidetic::v1::GetStatusResponse* response) override;
  grpc::Status IndexPaths(grpc::ServerContext* context, const eidetic::v1::IndexPathsRequest* request,
                          grpc::ServerWriter<eidetic::v1::IndexPathsResponse>* writer) override;
  grpc::Status VerifyLibrary(grpc::ServerContext* context, const eidetic::v1::VerifyLibraryRequest* request,
                             grpc::ServerWriter<eidetic::v1::VerifyLibraryResponse>* writer) override;
  grpc::Status CreateBackup(grpc::ServerContext* context, const eidetic::v1::CreateBackupRequest* request,
                            grpc::ServerWriter<eidetic::v1::CreateBackupResponse>* writer) override;

 private:
  LibrarySession* session_;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_LIBRARY_SERVICE_H_
