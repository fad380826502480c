#include "searcher/attribute_row.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "searcher/text_pattern.h"
#include "storage/library.h"

namespace eidetic::searcher {
namespace {

class RowMaker {
 public:
  explicit RowMaker(AttributeRow& row) : row_(row) {}

  void Number(NumberField field, double value) {
    if (std::isfinite(value)) row_.numbers[static_cast<size_t>(field)] = value;
  }

  void Text(TextField field, absl::string_view text) {
    if (!text.empty()) row_.texts[static_cast<size_t>(field)].push_back(FoldText(text));
  }

  void Path(absl::string_view bytes) {
    const std::string path = FoldText(storage::DisplayPath(bytes));
    const size_t slash = path.rfind('/');
    std::string folder = path.substr(0, slash == 0 || slash == std::string::npos ? 1 : slash);
    std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    const size_t dot = name.rfind('.');
    if (dot != std::string::npos && dot > 0) Folded(TextField::kExtension, name.substr(dot + 1));
    // A folder is what most programs show as an album.
    Folded(TextField::kAlbum, folder.substr(folder.rfind('/') + 1));
    row_.paths.emplace_back(std::move(folder), std::move(name));
  }

  // "Places/Italy/Rome" is found by itself, by the way to each level and by the
  // name of each level.
  void HierarchicalTag(absl::string_view tag) {
    const std::string folded = FoldText(tag);
    size_t begin = 0;
    while (begin <= folded.size()) {
      const size_t end = std::min(folded.find('/', begin), folded.size());
      Folded(TextField::kTag, folded.substr(begin, end - begin));
      if (begin > 0) Folded(TextField::kTag, folded.substr(0, end));
      begin = end + 1;
    }
  }

 private:
  void Folded(TextField field, std::string text) {
    if (!text.empty()) row_.texts[static_cast<size_t>(field)].push_back(std::move(text));
  }

  AttributeRow& row_;
};

void AddMetadata(const eidetic::v1::PhotoMetadata& metadata, AttributeRow& row) {
  RowMaker maker(row);
  if (metadata.has_iso()) maker.Number(NumberField::kIso, metadata.iso());
  if (metadata.has_focal_length_mm()) maker.Number(NumberField::kFocalLength, metadata.focal_length_mm());
  if (metadata.has_f_number()) maker.Number(NumberField::kAperture, metadata.f_number());
  if (metadata.has_exposure_time_seconds()) {
    maker.Number(NumberField::kShutter, metadata.exposure_time_seconds());
  }
  if (metadata.has_rating()) maker.Number(NumberField::kRating, metadata.rating());
  // Found by the model, the make, and both as cameras are called.
  maker.Text(TextField::kCamera, metadata.camera_model());
  maker.Text(TextField::kCamera, metadata.camera_make());
  if (!metadata.camera_make().empty() && !metadata.camera_model().empty()) {
    maker.Text(TextField::kCamera, absl::StrCat(metadata.camera_make(), " ", metadata.camera_model()));
  }
  maker.Text(TextField::kLens, metadata.lens_model());
  maker.Text(TextField::kPlace, metadata.sublocation());
  maker.Text(TextField::kPlace, metadata.city());
  maker.Text(TextField::kPlace, metadata.state());
  maker.Text(TextField::kPlace, metadata.country());
  for (const std::string& tag : metadata.tags()) maker.Text(TextField::kTag, tag);
  for (const std::string& tag : metadata.hierarchical_tags()) maker.HierarchicalTag(tag);
  for (const std::string& album : metadata.albums()) maker.Text(TextField::kAlbum, album);
  if (metadata.has_latitude() && std::isfinite(metadata.latitude()) && metadata.has_longitude() &&
      std::isfinite(metadata.longitude())) {
    row.location = {metadata.latitude(), metadata.longitude()};
  }
}

}  // namespace

AttributeRow MakeAttributeRow(const eidetic::storage::v1::AssetRecord& record, bool has_caption) {
  AttributeRow row;
  row.ordinal = record.ordinal();
  row.has_caption = has_caption;
  RowMaker maker(row);
  if (record.has_taken_time_micros()) {
    maker.Number(NumberField::kTaken, static_cast<double>(record.taken_time_micros()));
  }
  maker.Number(NumberField::kAdded, static_cast<double>(record.create_time_micros()));
  if (record.width() > 0 && record.height() > 0) {
    maker.Number(NumberField::kWidth, record.width());
    maker.Number(NumberField::kHeight, record.height());
    maker.Text(TextField::kOrientation, record.width() > record.height()   ? "landscape"
                                        : record.width() < record.height() ? "portrait"
                                                                           : "square");
  }
  for (const std::string& path : record.paths()) maker.Path(path);
  if (record.has_metadata()) AddMetadata(record.metadata(), row);
  for (const auto& [key, value] : record.attributes()) row.attributes.emplace_back(key, FoldText(value));
  return row;
}

}  // namespace eidetic::searcher
