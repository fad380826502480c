#include "service/library_service.h"

#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "eidetic/service/v1/page_token.pb.h"
#include "proto/status_macros.h"
#include "service/asset_import.h"
#include "service/asset_proto.h"
#include "service/asset_writer.h"
#include "service/bounded_text.h"
#include "service/call_boundary.h"
#include "service/create_backup.h"
#include "service/export_assets.h"
#include "service/generation_runs.h"
#include "service/index_paths.h"
#include "service/page_token.h"
#include "service/request_validation.h"
#include "service/verify_library.h"

namespace eidetic::service {
namespace {

using eidetic::service::v1::ListAssetsPageToken;

constexpr int kStandardListPage = 100;

absl::Status Put(const eidetic::v1::AssetInput& input, LibrarySession& session,
                 const Cancellation& cancellation, eidetic::v1::Asset& stored) {
  FieldViolations violations;
  CheckAssetInput(input, "asset", violations);
  EIDETIC_RETURN_IF_ERROR(violations.ToStatus());
  std::string asset_id;
  while (true) {
    const std::shared_ptr<GenerationSession> searched = session.searched();
    AssetWriter writer(session.library.get(), searched->model, &session.write_gate);
    EIDETIC_RETURN_IF_ERROR(writer.Start());
    std::vector<PendingAsset> batch(1);
    EIDETIC_ASSIGN_OR_RETURN(batch.front(), writer.Prepare(input, "asset", cancellation));
    asset_id = batch.front().put.asset_id;
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<absl::Status> written,
                             writer.Write(std::move(batch), cancellation));
    if (written.front().ok()) break;
    // Encoded by the model that the library has just moved away from: again.
    if (absl::IsFailedPrecondition(written.front()) && session.searched() != searched) continue;
    return written.front();
  }
  EIDETIC_ASSIGN_OR_RETURN(const storage::Asset asset, session.library->GetAsset(asset_id));
  EIDETIC_ASSIGN_OR_RETURN(stored, MakeAssetProto(asset, *session.library));
  return absl::OkStatus();
}

absl::Status AddToImport(const eidetic::v1::ImportAssetsRequest& request, LibrarySession& session,
                         AssetImport& import) {
  if (!request.model_fingerprint().empty()) {
    EIDETIC_ASSIGN_OR_RETURN(const storage::v1::GenerationRecord generation,
                             session.library->ActiveGeneration());
    if (generation.model_fingerprint() != request.model_fingerprint()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the embeddings are of the model ", BoundedText(request.model_fingerprint(), 128),
                       ", the library holds those of ", generation.model_fingerprint(), " (",
                       generation.model_name(), ")"));
    }
  }
  if (!request.has_portable_asset()) return import.Add(request.asset());
  return import.Add(request.portable_asset());
}

absl::Status Get(const eidetic::v1::GetAssetRequest& request, const LibrarySession& session,
                 eidetic::v1::GetAssetResponse& response) {
  FieldViolations violations;
  CheckAssetId(request.asset_id(), "asset_id", violations);
  EIDETIC_RETURN_IF_ERROR(violations.ToStatus());
  const storage::Library& library = *session.library;
  EIDETIC_ASSIGN_OR_RETURN(const storage::Asset asset, library.GetAsset(request.asset_id()));
  EIDETIC_ASSIGN_OR_RETURN(*response.mutable_asset(), MakeAssetProto(asset, library));
  if (request.include_embedding()) {
    EIDETIC_ASSIGN_OR_RETURN(const auto generation, session.searched()->model->Generation());
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<float> embedding,
                             generation->GetEmbedding(asset.record.ordinal()));
    *response.mutable_embedding() = MakeEmbedding(embedding, generation->model_fingerprint());
  }
  return absl::OkStatus();
}

// The first `limit` assets above `after` that pass the filter.
absl::StatusOr<std::vector<storage::Asset>> ListFiltered(const searcher::FilterExpression& filter,
                                                         std::optional<storage::Ordinal> after, size_t limit,
                                                         LibrarySession& session,
                                                         const Cancellation& cancellation) {
  EIDETIC_ASSIGN_OR_RETURN(const searcher::FilterMatches matches,
                           session.attributes.Evaluate(filter, [&] { return !cancellation.Check().ok(); }));
  std::vector<storage::Asset> assets;
  std::vector<storage::Ordinal> ordinals;
  auto next = matches.photos->bitmap().begin();
  const auto end = matches.photos->bitmap().end();
  if (after.has_value() && next != end) next.equalorlarger(*after + 1);
  while (next != end && assets.size() < limit) {
    ordinals.clear();
    for (; next != end && assets.size() + ordinals.size() < limit; ++next) ordinals.push_back(*next);
    EIDETIC_ASSIGN_OR_RETURN(std::vector<std::optional<storage::Asset>> read,
                             session.library->GetAssets(ordinals));
    for (std::optional<storage::Asset>& asset : read) {
      // Deleted since the filter was evaluated.
      if (asset.has_value()) assets.push_back(*std::move(asset));
    }
  }
  return assets;
}

absl::Status List(const eidetic::v1::ListAssetsRequest& request, LibrarySession& session,
                  const Cancellation& cancellation, eidetic::v1::ListAssetsResponse& response) {
  FieldViolations violations;
  CheckListAssetsRequest(request, violations);
  const std::optional<searcher::FilterExpression> filter =
      CheckFilter(request.filter(), "filter", violations);
  EIDETIC_RETURN_IF_ERROR(violations.ToStatus());
  std::string digest;
  if (!request.filter().empty()) {
    EIDETIC_ASSIGN_OR_RETURN(digest, Digest(request.filter()));
  }
  std::optional<storage::Ordinal> after;
  if (!request.page_token().empty()) {
    ListAssetsPageToken token;
    EIDETIC_RETURN_IF_ERROR(session.list_pages.Decode(request.page_token(), token));
    if (token.filter_digest() != digest) {
      return InvalidField("page_token", "belongs to a request with another filter");
    }
    after = token.last_ordinal();
  }
  const int page_size = EffectivePageSize(request.page_size(), kStandardListPage);
  // One more than shown tells whether there is a next page.
  std::vector<storage::Asset> assets;
  if (filter.has_value()) {
    EIDETIC_ASSIGN_OR_RETURN(
        assets, ListFiltered(*filter, after, static_cast<size_t>(page_size) + 1, session, cancellation));
  } else {
    EIDETIC_ASSIGN_OR_RETURN(assets, session.library->ListAssets(after, page_size + 1));
  }
  const bool has_more = assets.size() > static_cast<size_t>(page_size);
  if (has_more) assets.resize(static_cast<size_t>(page_size));
  EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  for (const storage::Asset& asset : assets) {
    EIDETIC_ASSIGN_OR_RETURN(*response.add_assets(), MakeAssetProto(asset, *session.library));
  }
  if (has_more) {
    ListAssetsPageToken token;
    token.set_last_ordinal(assets.back().record.ordinal());
    token.set_filter_digest(digest);
    EIDETIC_ASSIGN_OR_RETURN(*response.mutable_next_page_token(), session.list_pages.Encode(token));
  }
  return absl::OkStatus();
}

absl::Status Delete(const eidetic::v1::DeleteAssetRequest& request, storage::Library& library) {
  FieldViolations violations;
  CheckAssetId(request.asset_id(), "asset_id", violations);
  EIDETIC_RETURN_IF_ERROR(violations.ToStatus());
  std::vector<storage::Mutation> mutations;
  mutations.emplace_back(storage::DeleteAsset{.asset_id = request.asset_id()});
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<absl::Status> deleted, library.Commit(std::move(mutations)));
  return deleted.front();
}

absl::Status Report(const LibrarySession& session, eidetic::v1::GetStatusResponse& response) {
  const storage::Library& library = *session.library;
  EIDETIC_ASSIGN_OR_RETURN(const storage::LibraryCounts counts, library.Counts());
  response.set_library_path(storage::DisplayPath(library.directory()));
  response.set_format_version(storage::kFormatVersion);
  response.set_asset_count(counts.assets);
  response.set_path_count(counts.paths);
  response.set_caption_count(counts.captions);
  response.set_database_bytes(counts.database_bytes);
  response.set_last_sequence(library.last_sequence());
  response.set_version(EIDETIC_VERSION);
  response.set_holder_pid(getpid());
  response.set_holder_address(session.address());
  *response.mutable_start_time() = MakeTimestamp(absl::ToUnixMicros(session.start_time));
  response.set_read_only(!library.CheckWritable().ok());

  const storage::WriteHealth health = library.write_health();
  eidetic::v1::WriteStatus* writes = response.mutable_writes();
  writes->set_accepted(health.ok);
  *writes->mutable_since_time() = MakeTimestamp(absl::ToUnixMicros(health.since));
  writes->set_reason(health.reason);
  writes->set_detail(health.detail);

  const auto generation = library.ActiveGeneration();
  if (generation.ok()) {
    eidetic::v1::ModelStatus* model = response.mutable_model();
    model->set_name(generation->model_name());
    model->set_fingerprint(generation->model_fingerprint());
    model->set_dimension(generation->dimension());
    model->set_generation(generation->number());
    model->set_phrase_count(session.searched()->model->loaded_phrase_count());
  } else if (!absl::IsNotFound(generation.status())) {
    return generation.status();
  }

  EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::GenerationStatus> generations,
                           library.ListGenerations());
  for (const storage::GenerationStatus& status : generations) {
    *response.add_generations() = MakeGenerationProto(status);
  }

  const searcher::SearchEngineStatus engine = session.searched()->engine->status();
  response.set_snapshot_bytes(engine.snapshot_bytes);
  eidetic::v1::IndexStatus* index = response.mutable_index();
  index->set_state(engine.building ? eidetic::v1::IndexStatus::STATE_BUILDING
                                   : eidetic::v1::IndexStatus::STATE_READY);
  index->set_kind(engine.kind == searcher::IndexKind::kExact ? "exact" : "hnsw");
  index->set_vector_count(engine.vectors);
  index->set_tombstone_count(engine.tombstones);
  index->set_last_sequence(engine.last_sequence);
  index->set_origin(engine.origin);
  index->set_origin_detail(engine.origin_detail);
  response.set_rejected_snapshot_count(engine.rejections.count);
  if (engine.rejections.count > 0) {
    eidetic::v1::RejectedSnapshot* rejected = response.mutable_last_rejected_snapshot();
    rejected->set_reason(engine.rejections.last_reason);
    *rejected->mutable_time() = MakeTimestamp(absl::ToUnixMicros(engine.rejections.last_time));
  }
  return absl::OkStatus();
}

}  // namespace

grpc::Status LibraryServiceImpl::PutAsset(grpc::ServerContext* context,
                                          const eidetic::v1::PutAssetRequest* request,
                                          eidetic::v1::PutAssetResponse* response) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation& cancellation) {
    return Put(request->asset(), *session_, cancellation, *response->mutable_asset());
  });
}

grpc::Status LibraryServiceImpl::ImportAssets(grpc::ServerContext* context,
                                              grpc::ServerReader<eidetic::v1::ImportAssetsRequest>* reader,
                                              eidetic::v1::ImportAssetsResponse* response) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation& cancellation) -> absl::Status {
    AssetWriter writer(session_->library.get(), session_->searched()->model, &session_->write_gate);
    EIDETIC_RETURN_IF_ERROR(writer.Start());
    AssetImport import(&writer, cancellation);
    eidetic::v1::ImportAssetsRequest request;
    while (reader->Read(&request)) EIDETIC_RETURN_IF_ERROR(AddToImport(request, *session_, import));
    // Read also ends when the client is gone.
    EIDETIC_RETURN_IF_ERROR(cancellation.Check());
    EIDETIC_ASSIGN_OR_RETURN(*response, import.Finish());
    return absl::OkStatus();
  });
}

grpc::Status LibraryServiceImpl::ExportAssets(grpc::ServerContext* context,
                                              const eidetic::v1::ExportAssetsRequest* request,
                                              grpc::ServerWriter<eidetic::v1::ExportAssetsResponse>* writer) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation& cancellation) {
    return RunExportAssets(*request, *session_, cancellation, *writer);
  });
}

grpc::Status LibraryServiceImpl::GetAsset(grpc::ServerContext* context,
                                          const eidetic::v1::GetAssetRequest* request,
                                          eidetic::v1::GetAssetResponse* response) {
  return AtCallBoundary(session_->admission, context,
                        [&](const Cancellation&) { return Get(*request, *session_, *response); });
}

grpc::Status LibraryServiceImpl::ListAssets(grpc::ServerContext* context,
                                            const eidetic::v1::ListAssetsRequest* request,
                                            eidetic::v1::ListAssetsResponse* response) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation& cancellation) {
    return List(*request, *session_, cancellation, *response);
  });
}

grpc::Status LibraryServiceImpl::DeleteAsset(grpc::ServerContext* context,
                                             const eidetic::v1::DeleteAssetRequest* request,
                                             eidetic::v1::DeleteAssetResponse*) {
  return AtCallBoundary(session_->admission, context,
                        [&](const Cancellation&) { return Delete(*request, *session_->library); });
}

grpc::Status LibraryServiceImpl::GetStatus(grpc::ServerContext* context, const eidetic::v1::GetStatusRequest*,
                                           eidetic::v1::GetStatusResponse* response) {
  return AtCallBoundary(session_->admission, context,
                        [&](const Cancellation&) { return Report(*session_, *response); });
}

grpc::Status LibraryServiceImpl::IndexPaths(grpc::ServerContext* context,
                                            const eidetic::v1::IndexPathsRequest* request,
                                            grpc::ServerWriter<eidetic::v1::IndexPathsResponse>* writer) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation& cancellation) {
    return RunIndexPaths(*request, *session_, cancellation, *writer);
  });
}

grpc::Status LibraryServiceImpl::VerifyLibrary(
    grpc::ServerContext* context, const eidetic::v1::VerifyLibraryRequest*,
    grpc::ServerWriter<eidetic::v1::VerifyLibraryResponse>* writer) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation& cancellation) {
    return RunVerifyLibrary(*session_, cancellation, *writer);
  });
}

grpc::Status LibraryServiceImpl::CreateBackup(grpc::ServerContext* context,
                                              const eidetic::v1::CreateBackupRequest* request,
                                              grpc::ServerWriter<eidetic::v1::CreateBackupResponse>* writer) {
  return AtCallBoundary(session_->admission, context, [&](const Cancellation& cancellation) {
    return RunCreateBackup(*request, *session_, cancellation, *writer);
  });
}

}  // namespace eidetic::service
