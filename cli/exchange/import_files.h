// What an import reads (docs/export.md): a folder in clip-retrieval's layout,
// ours or another's, a folder of NDJSON files, or one such file. One thread.
//
//   ASSIGN_OR_RETURN(auto files, ImportFiles::Open("out", scratch));
//   ImportItem item;
//   while (true) {
//     ASSIGN_OR_RETURN(bool more, files->Next(item));
//     if (!more) break;
//     if (!item.problem.ok()) …  // skip it
//   }
#ifndef EIDETIC_EXCHANGE_IMPORT_FILES_H_
#define EIDETIC_EXCHANGE_IMPORT_FILES_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eidetic/v1/library_service.pb.h"
#include "eidetic/v1/portable_asset.pb.h"

namespace eidetic::cli::exchange {

struct ImportItem {
  eidetic::v1::PortableAsset asset;
  // Where it stood: "metadata_0.parquet row 12", rows and lines from 1.
  std::string place;
  // Not OK: it cannot be imported, and why.
  absl::Status problem;
};

class ImportFiles {
 public:
  // Looks at all files first: kInvalidArgument when one is not what it should be or
  // when they do not belong together (numbers of rows, dimensions), kNotFound,
  // kPermissionDenied. `scratch`: a folder for what Parquet needs.
  static absl::StatusOr<std::unique_ptr<ImportFiles>> Open(const std::string& path,
                                                           const std::string& scratch);
  virtual ~ImportFiles() = default;
  // What the files say of themselves; the model's fields are empty, and the
  // counts 0, when they do not.
  const eidetic::v1::ExportHeader& header() const { return header_; }
  // False after the last one. An error means that reading on is impossible.
  virtual absl::StatusOr<bool> Next(ImportItem& item) = 0;

 protected:
  eidetic::v1::ExportHeader header_;
};

}  // namespace eidetic::cli::exchange

#endif  // EIDETIC_EXCHANGE_IMPORT_FILES_H_
