// The files of an export (docs/export.md): written beside the target, which gets
// its name when all of them are whole and durable. One thread.
//
//   ASSIGN_OR_RETURN(auto files, ExportFiles::Open({.directory = "out"}, header));
//   for (…) RETURN_IF_ERROR(files->Add(asset));
//   RETURN_IF_ERROR(files->Finish());
#ifndef EIDETIC_EXCHANGE_EXPORT_FILES_H_
#define EIDETIC_EXCHANGE_EXPORT_FILES_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eidetic/v1/library_service.pb.h"
#include "eidetic/v1/portable_asset.pb.h"

namespace eidetic::cli::exchange {

enum class ExportFormat { kClipRetrieval, kNdjson };

struct ExportOptions {
  // New or empty; absolute.
  std::string directory;
  ExportFormat format = ExportFormat::kClipRetrieval;
  // float16 in .npy files.
  bool half = false;
  // Assets in one part: bounds memory and size.
  uint64_t assets_per_part = 50'000;
};

class ExportFiles {
 public:
  // Errors: kFailedPrecondition (the target holds something), kUnavailable
  // (another export into it), kNotFound (no DuckDB, for Parquet), those of the
  // file system.
  static absl::StatusOr<std::unique_ptr<ExportFiles>> Open(const ExportOptions& options,
                                                           const eidetic::v1::ExportHeader& header);
  // What was not finished is removed.
  virtual ~ExportFiles() = default;
  virtual absl::Status Add(const eidetic::v1::PortableAsset& asset) = 0;
  // kDataLoss when there were not as many assets as the header said.
  virtual absl::Status Finish() = 0;
};

}  // namespace eidetic::cli::exchange

#endif  // EIDETIC_EXCHANGE_EXPORT_FILES_H_
