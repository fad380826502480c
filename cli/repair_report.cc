#include "cli/repair_report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "storage/library.h"

namespace eidetic::cli {
namespace {

std::string PathsOf(const storage::LostAsset& asset) {
  std::string text;
  for (const std::string& path : asset.paths) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", storage::DisplayPath(path));
  }
  return text;
}

}  // namespace

Json RepairReportToJson(const storage::RepairReport& report) {
  Json json = {{"assets", report.assets},
               {"paths", report.paths},
               {"captions", report.captions},
               {"vectors_from_snapshot", report.vectors_from_snapshot},
               {"vectors_from_backup", report.vectors_from_backup},
               {"records_from_backup", report.records_from_backup},
               {"dropped_links", report.dropped_links},
               {"paths_to_read_again", report.paths_to_read_again},
               {"lost_unnamed", report.lost_unnamed},
               {"lost_captions", report.lost_captions},
               {"last_sequence", report.last_sequence},
               {"kept_aside", storage::DisplayPath(report.kept_aside)}};
  Json& damage = json["damage"] = Json::array();
  for (const std::string& what : report.damage) damage.push_back(storage::DisplayPath(what));
  Json& lost = json["lost"] = Json::array();
  for (const storage::LostAsset& asset : report.lost_assets) {
    Json paths = Json::array();
    for (const std::string& path : asset.paths) paths.push_back(storage::DisplayPath(path));
    lost.push_back({{"id", asset.asset_id}, {"paths", std::move(paths)}, {"reason", asset.reason}});
  }
  return json;
}

std::string DescribeRepair(const storage::RepairReport& report) {
  std::string text;
  for (const std::string& what : report.damage) absl::StrAppend(&text, "damaged: ", what, "\n");
  for (const storage::LostAsset& asset : report.lost_assets) {
    absl::StrAppend(&text, "lost: ", asset.asset_id, " ", PathsOf(asset), ": ", asset.reason, "\n");
  }
  absl::StrAppend(&text, absl::StrFormat("Repaired: %d photos, %d paths, %d captions.\n", report.assets,
                                         report.paths, report.captions));
  absl::StrAppend(
      &text,
      absl::StrFormat("From the index: %d vectors. From the backup: %d records, %d vectors.\n",
                      report.vectors_from_snapshot, report.records_from_backup, report.vectors_from_backup));
  absl::StrAppend(&text,
                  absl::StrFormat("Lost: %d photos, %d captions; %d links that led nowhere were dropped.\n",
                                  report.lost_assets.size() + report.lost_unnamed, report.lost_captions,
                                  report.dropped_links));
  absl::StrAppend(&text, "The damaged database is kept in ", storage::DisplayPath(report.kept_aside),
                  "; delete it when you do not need it any more.\n");
  if (report.lost_unnamed > 0) {
    absl::StrAppend(&text, absl::StrFormat("Of %d of the lost photos not even the name can be read.\n",
                                           report.lost_unnamed));
  }
  if (report.lost_unnamed > 0 || !report.lost_assets.empty() || report.lost_captions > 0 ||
      report.paths_to_read_again > 0) {
    absl::StrAppend(&text, "Run `eidetic index` on your folders: it fills the gaps.\n");
  }
  return text;
}

}  // namespace eidetic::cli
