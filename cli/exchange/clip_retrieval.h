// Names and columns of clip-retrieval's layout and of what we add to it
// (docs/export.md). Stateless. Not a public header.
#ifndef EIDETIC_EXCHANGE_CLIP_RETRIEVAL_H_
#define EIDETIC_EXCHANGE_CLIP_RETRIEVAL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "cli/exchange/export_files.h"
#include "cli/exchange/import_files.h"

namespace eidetic::cli::exchange {

inline constexpr char kManifestName[] = "eidetic_export.json";
// While an export is written.
inline constexpr char kScratchName[] = "scratch";
inline constexpr char kImageFolder[] = "img_emb";
inline constexpr char kTextFolder[] = "text_emb";
inline constexpr char kMetadataFolder[] = "metadata";
inline constexpr char kNdjsonPrefix[] = "assets_";
inline constexpr char kNdjsonSuffix[] = ".ndjson";

// "img_emb/img_emb_0.npy"; `part` has as many digits as all parts need.
inline std::string NpyName(absl::string_view folder, absl::string_view part) {
  return absl::StrCat(folder, "/", folder, "_", part, ".npy");
}
inline std::string ParquetName(absl::string_view part) {
  return absl::StrCat(kMetadataFolder, "/", kMetadataFolder, "_", part, ".parquet");
}

// One part after the other into `folder`, which is empty.
class PartWriter {
 public:
  virtual ~PartWriter() = default;
  virtual absl::Status Begin(const std::string& part, uint64_t assets) = 0;
  virtual absl::Status Add(const eidetic::v1::PortableAsset& asset) = 0;
  // Durable when it returns, but for the folder's entries.
  virtual absl::Status End() = 0;
};
absl::StatusOr<std::unique_ptr<PartWriter>> NewClipRetrievalWriter(const std::string& folder,
                                                                   size_t dimension, bool half);
std::unique_ptr<PartWriter> NewNdjsonWriter(const std::string& folder);

// As ImportFiles::Open; `manifest` is empty when the folder has none.
absl::StatusOr<std::unique_ptr<ImportFiles>> OpenClipRetrieval(const std::string& folder,
                                                               const eidetic::v1::ExportHeader& manifest,
                                                               const std::string& scratch);
absl::StatusOr<std::unique_ptr<ImportFiles>> OpenNdjson(std::vector<std::string> files,
                                                        const eidetic::v1::ExportHeader& manifest);

}  // namespace eidetic::cli::exchange

#endif  // EIDETIC_EXCHANGE_CLIP_RETRIEVAL_H_
