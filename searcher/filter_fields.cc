#include "searcher/filter_fields.h"

#include "absl/strings/str_join.h"

namespace eidetic::searcher {
namespace {

constexpr int Column(NumberField field) { return static_cast<int>(field); }
constexpr int Column(TextField field) { return static_cast<int>(field); }

constexpr double kExposureTolerance = 2e-3;

constexpr std::array<FilterField, 22> kFields = {{
    {"added", FieldType::kTime, Column(NumberField::kAdded), 0, "", ""},
    {"album", FieldType::kWord, Column(TextField::kAlbum), 0, "", ""},
    {"aperture", FieldType::kNumber, Column(NumberField::kAperture), kExposureTolerance, "f/", ""},
    {"attributes", FieldType::kAttribute, 0, 0, "", ""},
    {"camera", FieldType::kText, Column(TextField::kCamera), 0, "", ""},
    {"extension", FieldType::kWord, Column(TextField::kExtension), 0, "", ""},
    {"focal_length", FieldType::kNumber, Column(NumberField::kFocalLength), kExposureTolerance, "", "mm"},
    {"folder", FieldType::kFolder, 0, 0, "", ""},
    {"has", FieldType::kHas, 0, 0, "", ""},
    {"height", FieldType::kNumber, Column(NumberField::kHeight), 0, "", ""},
    {"iso", FieldType::kNumber, Column(NumberField::kIso), 0, "", ""},
    {"lat", FieldType::kLatitude, 0, 0, "", ""},
    {"lens", FieldType::kText, Column(TextField::kLens), 0, "", ""},
    {"lon", FieldType::kLongitude, 0, 0, "", ""},
    {"orientation", FieldType::kWord, Column(TextField::kOrientation), 0, "", ""},
    {"path", FieldType::kPath, 0, 0, "", ""},
    {"place", FieldType::kText, Column(TextField::kPlace), 0, "", ""},
    {"rating", FieldType::kNumber, Column(NumberField::kRating), 0, "", ""},
    {"shutter", FieldType::kNumber, Column(NumberField::kShutter), kExposureTolerance, "", "s"},
    {"tag", FieldType::kWord, Column(TextField::kTag), 0, "", ""},
    {"taken", FieldType::kTime, Column(NumberField::kTaken), 0, "", ""},
    {"width", FieldType::kNumber, Column(NumberField::kWidth), 0, "", ""},
}};

}  // namespace

std::span<const FilterField> AllFilterFields() { return kFields; }

const FilterField* FindFilterField(absl::string_view name) {
  for (const FilterField& field : AllFilterFields()) {
    if (name == field.name) return &field;
  }
  return nullptr;
}

std::string FilterFieldNames() {
  return absl::StrJoin(AllFilterFields(), ", ", [](std::string* out, const FilterField& field) {
    out->append(field.type == FieldType::kAttribute ? "attributes.KEY" : field.name);
  });
}

}  // namespace eidetic::searcher
