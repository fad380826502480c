#include "service/export_assets.h"

#include <memory>

#include "proto/status_macros.h"
#include "service/portable_asset.h"

namespace eidetic::service {
namespace {

using eidetic::v1::ExportAssetsResponse;

// A message is sent when it has this many bytes.
constexpr size_t kMessageBytes = size_t{256} << 10;

absl::Status Send(ExportAssetsResponse& message, const Cancellation& cancellation,
                  grpc::ServerWriterInterface<ExportAssetsResponse>& writer) {
  const bool sent = writer.Write(message);
  message.Clear();
  EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  return sent ? absl::OkStatus() : absl::CancelledError("the client does not take messages any more");
}

}  // namespace

absl::Status RunExportAssets(const eidetic::v1::ExportAssetsRequest& request, LibrarySession& session,
                             const Cancellation& cancellation,
                             grpc::ServerWriterInterface<ExportAssetsResponse>& writer) {
  ExportAssetsResponse message;
  eidetic::v1::ExportHeader* header = message.mutable_header();
  const auto generation = session.library->ActiveGeneration();
  if (generation.ok()) {
    header->set_model_name(generation->model_name());
    header->set_model_fingerprint(generation->model_fingerprint());
    header->set_dimension(generation->dimension());
  } else if (!absl::IsNotFound(generation.status())) {
    return generation.status();
  }
  const std::unique_ptr<storage::ReadView> view = session.library->NewView();
  header->set_asset_count(generation.ok() ? view->asset_count() : 0);
  header->set_last_sequence(view->last_sequence());
  EIDETIC_RETURN_IF_ERROR(Send(message, cancellation, writer));
  size_t bytes = 0;
  EIDETIC_RETURN_IF_ERROR(view->ForEachWholeAsset([&](const storage::WholeAsset& asset) -> absl::Status {
    if (session.stopping) return absl::UnavailableError("the server is shutting down");
    *message.add_assets() = MakePortableAsset(asset, !request.without_embeddings());
    bytes += message.assets(message.assets_size() - 1).ByteSizeLong();
    if (bytes < kMessageBytes) return absl::OkStatus();
    bytes = 0;
    return Send(message, cancellation, writer);
  }));
  return message.assets().empty() ? absl::OkStatus() : Send(message, cancellation, writer);
}

}  // namespace eidetic::service
