// One photo's record → the values that filters compare (docs/filters.md says
// where each comes from). Texts are folded. Stateless; any thread.
//
//   const AttributeRow row = MakeAttributeRow(asset.record, /*has_caption=*/true);
#ifndef EIDETIC_SEARCHER_ATTRIBUTE_ROW_H_
#define EIDETIC_SEARCHER_ATTRIBUTE_ROW_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eidetic/storage/v1/records.pb.h"
#include "searcher/filter_fields.h"

namespace eidetic::searcher {

struct AttributeRow {
  uint32_t ordinal = 0;
  // By NumberField.
  std::array<std::optional<double>, kNumberFields> numbers;
  // By TextField, without repeats of meaning: the same text may come twice.
  std::array<std::vector<std::string>, kTextFields> texts;
  // Folder ("/photos/Italy") and name of each path.
  std::vector<std::pair<std::string, std::string>> paths;
  // Latitude and longitude.
  std::optional<std::pair<double, double>> location;
  // Keys as given, values folded.
  std::vector<std::pair<std::string, std::string>> attributes;
  bool has_caption = false;
};

AttributeRow MakeAttributeRow(const eidetic::storage::v1::AssetRecord& record, bool has_caption);

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_ATTRIBUTE_ROW_H_
