#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include <google/protobuf/util/time_util.h>

#include "absl/cleanup/cleanup.h"
#include "cli/exchange/asset_json.h"
#include "cli/exchange/clip_retrieval.h"
#include "cli/exchange/npy.h"
#include "cli/exchange/parquet.h"
#include "proto/status_macros.h"
#include "storage/file_system.h"

namespace eidetic::cli::exchange {
namespace {

using eidetic::v1::PortableAsset;
using eidetic::v1::PortableCaption;

absl::Status SyncFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return absl::ErrnoToStatus(errno, path);
  const absl::Cleanup close_file = [file] { close(file); };
  return fsync(file) == 0 ? absl::OkStatus() : absl::ErrnoToStatus(errno, path);
}

std::span<const float> Values(const eidetic::v1::Embedding& embedding) {
  return {embedding.values().data(), static_cast<size_t>(embedding.values_size())};
}

std::vector<ParquetColumn> Columns() {
  return {{"image_path", ParquetType::kText},   {"caption", ParquetType::kText},
          {"asset_id", ParquetType::kText},     {"width", ParquetType::kNumber},
          {"height", ParquetType::kNumber},     {"media_type", ParquetType::kText},
          {"size_bytes", ParquetType::kNumber}, {"taken_time", ParquetType::kText},
          {"eidetic", ParquetType::kText},      {"caption_embeddings", ParquetType::kBytes}};
}

ParquetValue TextOrNothing(const std::string& text) {
  return text.empty() ? ParquetValue() : ParquetValue(text);
}

class ClipRetrievalWriter final : public PartWriter {
 public:
  ClipRetrievalWriter(std::string folder, size_t dimension, bool half, std::unique_ptr<ParquetWriter> parquet)
      : folder_(std::move(folder)),
        dimension_(dimension),
        half_(half),
        parquet_(std::move(parquet)),
        zeros_(dimension) {}

  absl::Status Begin(const std::string& part, uint64_t assets) override {
    part_ = part;
    EIDETIC_ASSIGN_OR_RETURN(images_,
                             NpyWriter::Create(Path(NpyName(kImageFolder, part)), assets, dimension_, half_));
    EIDETIC_ASSIGN_OR_RETURN(texts_,
                             NpyWriter::Create(Path(NpyName(kTextFolder, part)), assets, dimension_, half_));
    return absl::OkStatus();
  }

  absl::Status Add(const PortableAsset& asset) override {
    EIDETIC_RETURN_IF_ERROR(images_->Append(Values(asset.embedding())));
    const PortableCaption* caption = asset.captions().empty() ? nullptr : &asset.captions(0);
    EIDETIC_RETURN_IF_ERROR(caption == nullptr ? texts_->Append(zeros_)
                                               : texts_->Append(Values(caption->embedding())));
    // The vectors go elsewhere; what is left is small.
    PortableAsset rest = asset;
    rest.clear_embedding();
    std::string vectors;
    for (PortableCaption& text : *rest.mutable_captions()) {
      for (const float value : text.embedding().values()) {
        char bytes[sizeof(value)];
        std::memcpy(bytes, &value, sizeof(value));
        vectors.append(bytes, sizeof(bytes));
      }
      text.clear_embedding();
    }
    EIDETIC_ASSIGN_OR_RETURN(std::string json, ToJson(rest));
    using google::protobuf::util::TimeUtil;
    return parquet_->AddRow(
        {asset.paths().empty() ? ParquetValue() : TextOrNothing(asset.paths(0).path()),
         caption == nullptr ? ParquetValue() : ParquetValue(caption->text()), asset.asset_id(),
         uint64_t{asset.width()}, uint64_t{asset.height()}, TextOrNothing(asset.media_type()),
         uint64_t{asset.size_bytes()},
         asset.has_taken_time() ? ParquetValue(TimeUtil::ToString(asset.taken_time())) : ParquetValue(),
         std::move(json), std::move(vectors)});
  }

  absl::Status End() override {
    EIDETIC_RETURN_IF_ERROR(images_->Finish());
    EIDETIC_RETURN_IF_ERROR(texts_->Finish());
    images_.reset();
    texts_.reset();
    const std::string metadata = Path(ParquetName(part_));
    EIDETIC_RETURN_IF_ERROR(parquet_->Write(metadata));
    return SyncFile(metadata);
  }

 private:
  std::string Path(const std::string& name) const { return absl::StrCat(folder_, "/", name); }

  const std::string folder_;
  const size_t dimension_;
  const bool half_;
  const std::unique_ptr<ParquetWriter> parquet_;
  const std::vector<float> zeros_;
  std::string part_;
  std::unique_ptr<NpyWriter> images_;
  std::unique_ptr<NpyWriter> texts_;
};

class NdjsonWriter final : public PartWriter {
 public:
  explicit NdjsonWriter(std::string folder) : folder_(std::move(folder)) {}

  absl::Status Begin(const std::string& part, uint64_t) override {
    EIDETIC_ASSIGN_OR_RETURN(file_, storage::PosixFileSystem().NewWritableFile(
                                        absl::StrCat(folder_, "/", kNdjsonPrefix, part, kNdjsonSuffix)));
    return absl::OkStatus();
  }

  absl::Status Add(const PortableAsset& asset) override {
    EIDETIC_ASSIGN_OR_RETURN(std::string json, ToJson(asset));
    json.push_back('\n');
    return file_->Append(json);
  }

  absl::Status End() override {
    EIDETIC_RETURN_IF_ERROR(file_->Sync());
    file_.reset();
    return absl::OkStatus();
  }

 private:
  const std::string folder_;
  std::unique_ptr<storage::WritableFile> file_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PartWriter>> NewClipRetrievalWriter(const std::string& folder,
                                                                   size_t dimension, bool half) {
  for (const char* name : {kImageFolder, kTextFolder, kMetadataFolder}) {
    EIDETIC_RETURN_IF_ERROR(storage::PosixFileSystem().CreateDirectory(absl::StrCat(folder, "/", name)));
  }
  EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<ParquetWriter> parquet,
                           ParquetWriter::Open(Columns(), absl::StrCat(folder, "/", kScratchName)));
  return std::make_unique<ClipRetrievalWriter>(folder, dimension, half, std::move(parquet));
}

std::unique_ptr<PartWriter> NewNdjsonWriter(const std::string& folder) {
  return std::make_unique<NdjsonWriter>(folder);
}

}  // namespace eidetic::cli::exchange
