#include <algorithm>
#include <cstring>
#include <filesystem>
#include <span>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/exchange/asset_json.h"
#include "cli/exchange/clip_retrieval.h"
#include "cli/exchange/npy.h"
#include "cli/exchange/parquet.h"
#include "proto/status_macros.h"
#include "storage/file_system.h"
#include "storage/library.h"

namespace eidetic::cli::exchange {
namespace {

using eidetic::v1::PortableAsset;
using eidetic::v1::PortableCaption;

// What is read of the metadata, in this order.
enum Column { kImagePath, kCaption, kAssetId, kUrl, kWidth, kHeight, kEidetic, kCaptionEmbeddings };
const std::vector<std::string>& ColumnNames() {
  static const auto& names = *new std::vector<std::string>{
      "image_path", "caption", "asset_id", "url", "width", "height", "eidetic", "caption_embeddings"};
  return names;
}

// The files of one part, opened one after the other.
struct Part {
  std::string name;
  std::unique_ptr<NpyReader> images;
  std::unique_ptr<NpyReader> texts;  // null: none
  std::unique_ptr<ParquetReader> metadata;
};

absl::StatusOr<Part> OpenPart(const std::string& folder, const std::string& name,
                              const std::string& scratch) {
  Part part{.name = name, .images = nullptr, .texts = nullptr, .metadata = nullptr};
  const std::string images = absl::StrCat(folder, "/", NpyName(kImageFolder, name));
  EIDETIC_ASSIGN_OR_RETURN(part.images, NpyReader::Open(images));
  const std::string texts = absl::StrCat(folder, "/", NpyName(kTextFolder, name));
  if (std::filesystem::exists(texts)) {
    EIDETIC_ASSIGN_OR_RETURN(part.texts, NpyReader::Open(texts));
    if (part.texts->rows() != part.images->rows() || part.texts->dimension() != part.images->dimension()) {
      return absl::InvalidArgumentError(absl::StrCat(texts, " has ", part.texts->rows(), " × ",
                                                     part.texts->dimension(), " values, ", images, " has ",
                                                     part.images->rows(), " × ", part.images->dimension()));
    }
  }
  const std::string metadata = absl::StrCat(folder, "/", ParquetName(name));
  if (!std::filesystem::exists(metadata)) {
    return absl::InvalidArgumentError(absl::StrCat(metadata, " is missing; it belongs to ", images));
  }
  EIDETIC_ASSIGN_OR_RETURN(part.metadata, ParquetReader::Open(metadata, ColumnNames(), scratch));
  if (part.metadata->row_count() != part.images->rows()) {
    return absl::InvalidArgumentError(absl::StrCat(metadata, " has ", part.metadata->row_count(), " rows, ",
                                                   images, " has ", part.images->rows()));
  }
  return part;
}

absl::Status AddCaptionEmbeddings(const std::string& bytes, size_t dimension, PortableAsset& asset) {
  const size_t each = dimension * sizeof(float);
  if (bytes.empty() && asset.captions().empty()) return absl::OkStatus();
  if (bytes.size() != each * static_cast<size_t>(asset.captions_size())) {
    return absl::InvalidArgumentError(absl::StrCat("caption_embeddings has ", bytes.size(), " bytes, ",
                                                   asset.captions_size(), " captions need ", each, " each"));
  }
  for (int i = 0; i < asset.captions_size(); ++i) {
    auto* values = asset.mutable_captions(i)->mutable_embedding()->mutable_values();
    values->Resize(static_cast<int>(dimension), 0);
    std::memcpy(values->mutable_data(), bytes.data() + static_cast<size_t>(i) * each, each);
  }
  return absl::OkStatus();
}

// A row that another program wrote: an id of its own when it has one, else one
// that is the same whenever the same path, or vector, is imported.
void Derive(const ParquetRow& row, std::span<const float> image, std::span<const float> text,
            PortableAsset& asset) {
  const std::string path = row[kImagePath].value_or("");
  const std::string id = row[kAssetId].value_or("");
  const auto hash = [](const void* bytes, size_t size) {
    return storage::ContentAssetId({static_cast<const uint8_t*>(bytes), size});
  };
  asset.set_asset_id(storage::ValidateAssetId(id).ok() ? id
                     : !path.empty()                   ? hash(path.data(), path.size())
                                                       : hash(image.data(), image.size_bytes()));
  if (absl::StartsWith(path, "/")) {
    asset.add_paths()->set_path(path);
  } else if (!path.empty()) {
    (*asset.mutable_attributes())["image_path"] = path;
  }
  if (row[kUrl].has_value()) (*asset.mutable_attributes())["url"] = *row[kUrl];
  uint32_t side = 0;
  if (absl::SimpleAtoi(row[kWidth].value_or(""), &side)) asset.set_width(side);
  if (absl::SimpleAtoi(row[kHeight].value_or(""), &side)) asset.set_height(side);
  if (row[kCaption].value_or("").empty()) return;
  PortableCaption* caption = asset.add_captions();
  caption->set_text(*row[kCaption]);
  caption->set_source(eidetic::v1::CAPTION_SOURCE_CLIENT);
  const bool embedded = std::any_of(text.begin(), text.end(), [](float value) { return value != 0; });
  if (embedded) caption->mutable_embedding()->mutable_values()->Add(text.begin(), text.end());
}

class ClipRetrievalFiles final : public ImportFiles {
 public:
  ClipRetrievalFiles(std::string folder, std::vector<std::string> parts, std::string scratch)
      : folder_(std::move(folder)), parts_(std::move(parts)), scratch_(std::move(scratch)) {}

  absl::Status Start(const eidetic::v1::ExportHeader& manifest) {
    header_ = manifest;
    uint64_t rows = 0;
    size_t dimension = header_.dimension();
    for (const std::string& name : parts_) {
      EIDETIC_ASSIGN_OR_RETURN(const Part part, OpenPart(folder_, name, scratch_));
      // A part without rows may come from a library without a model.
      if (part.images->rows() == 0) continue;
      if (dimension == 0) dimension = part.images->dimension();
      if (part.images->dimension() != dimension) {
        return absl::InvalidArgumentError(absl::StrCat(folder_, "/", NpyName(kImageFolder, name), " has ",
                                                       part.images->dimension(), " columns, not ",
                                                       dimension));
      }
      rows += part.images->rows();
    }
    if (header_.asset_count() != 0 && header_.asset_count() != rows) {
      return absl::InvalidArgumentError(absl::StrCat(folder_, " holds ", rows, " rows, not the ",
                                                     header_.asset_count(), " that ", kManifestName,
                                                     " tells: a part is missing"));
    }
    header_.set_asset_count(rows);
    header_.set_dimension(static_cast<uint32_t>(dimension));
    image_.resize(dimension);
    return absl::OkStatus();
  }

  absl::StatusOr<bool> Next(ImportItem& item) override {
    while (row_number_ == part_rows_) {
      if (next_ == parts_.size()) return false;
      EIDETIC_ASSIGN_OR_RETURN(part_, OpenPart(folder_, parts_[next_++], scratch_));
      part_rows_ = part_.images->rows();
      row_number_ = 0;
    }
    EIDETIC_ASSIGN_OR_RETURN(const bool more, part_.metadata->Next(row_));
    if (!more)
      return absl::InvalidArgumentError(absl::StrCat(ParquetName(part_.name), " ended before its last row"));
    EIDETIC_RETURN_IF_ERROR(part_.images->ReadRow(image_));
    text_.clear();
    if (part_.texts != nullptr) {
      text_.resize(image_.size());
      EIDETIC_RETURN_IF_ERROR(part_.texts->ReadRow(text_));
    }
    ++row_number_;
    item.asset.Clear();
    item.place = absl::StrCat(ParquetName(part_.name), " row ", row_number_);
    item.problem = absl::OkStatus();
    if (row_[kEidetic].has_value()) {
      item.problem = FromJson(*row_[kEidetic], item.asset);
      if (item.problem.ok()) {
        item.problem = AddCaptionEmbeddings(row_[kCaptionEmbeddings].value_or(""), image_.size(), item.asset);
      }
    } else {
      Derive(row_, image_, text_, item.asset);
    }
    item.asset.mutable_embedding()->mutable_values()->Assign(image_.begin(), image_.end());
    return true;
  }

 private:
  const std::string folder_;
  const std::vector<std::string> parts_;
  const std::string scratch_;
  Part part_;
  size_t next_ = 0;
  uint64_t part_rows_ = 0;
  uint64_t row_number_ = 0;
  std::vector<float> image_;
  std::vector<float> text_;
  ParquetRow row_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ImportFiles>> OpenClipRetrieval(const std::string& folder,
                                                               const eidetic::v1::ExportHeader& manifest,
                                                               const std::string& scratch) {
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                           storage::PosixFileSystem().ListDirectory(absl::StrCat(folder, "/", kImageFolder)));
  std::vector<std::pair<uint64_t, std::string>> numbered;
  for (const std::string& name : names) {
    absl::string_view part = name;
    uint64_t number = 0;
    if (!absl::ConsumePrefix(&part, absl::StrCat(kImageFolder, "_")) || !absl::ConsumeSuffix(&part, ".npy") ||
        !absl::SimpleAtoi(part, &number)) {
      continue;
    }
    numbered.emplace_back(number, std::string(part));
  }
  if (numbered.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("the folder ", folder, "/", kImageFolder, " has no ",
                                                   kImageFolder, "_0.npy or the like"));
  }
  std::sort(numbered.begin(), numbered.end());
  std::vector<std::string> parts;
  parts.reserve(numbered.size());
  for (auto& [number, name] : numbered) parts.push_back(std::move(name));
  auto files = std::make_unique<ClipRetrievalFiles>(folder, std::move(parts), scratch);
  EIDETIC_RETURN_IF_ERROR(files->Start(manifest));
  return files;
}

}  // namespace eidetic::cli::exchange
