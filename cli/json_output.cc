#include "cli/json_output.h"

#include <cmath>
#include <cstdio>
#include <string>

#include "absl/time/time.h"

namespace eidetic::cli {
namespace {

// Enough digits for a float32 score, without the tail of its double.
double RoundScore(float score) { return std::round(static_cast<double>(score) * 1e6) / 1e6; }

Json ToJson(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  Json json = Json::array();
  for (const std::string& text : texts) json.push_back(text);
  return json;
}

}  // namespace

void PrintJson(const Json& json) {
  const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

Json HitToJson(const eidetic::v1::SearchHit& hit) {
  const eidetic::v1::Asset& asset = hit.asset();
  Json json = {{"rank", hit.rank()},
               {"path", asset.paths().empty() ? Json(nullptr) : Json(asset.paths(0))},
               {"id", asset.asset_id()},
               {"score", RoundScore(hit.score())}};
  if (hit.has_confidence())
    json["confidence"] = std::round(static_cast<double>(hit.confidence()) * 1e4) / 1e4;
  if (!hit.matched_words().empty()) json["matched_words"] = ToJson(hit.matched_words());
  if (asset.paths_size() > 1) json["paths"] = ToJson(asset.paths());
  if (asset.width() > 0) {
    json["width"] = asset.width();
    json["height"] = asset.height();
  }
  if (asset.has_taken_time()) {
    json["taken"] = absl::FormatTime(
        "%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(asset.taken_time().seconds()), absl::UTCTimeZone());
  }
  if (!asset.captions().empty()) {
    Json& captions = json["captions"] = Json::array();
    for (const auto& caption : asset.captions()) captions.push_back(caption.text());
  }
  return json;
}

Json ExplanationToJson(const eidetic::v1::SearchExplanation& explanation) {
  Json json = {{"plan", explanation.plan()},
               {"reason", explanation.reason()},
               {"index_size", explanation.index_size()},
               {"live_size", explanation.live_size()},
               {"ef_search", explanation.ef_search()},
               {"encode_micros", explanation.encode_micros()},
               {"search_micros", explanation.search_micros()},
               {"fetch_micros", explanation.fetch_micros()},
               {"model_fingerprint", explanation.model_fingerprint()}};
  if (explanation.has_filter()) {
    const eidetic::v1::FilterExplanation& filter = explanation.filter();
    json["filter"] = {{"matching_count", filter.matching_count()},
                      {"filter_micros", filter.filter_micros()},
                      {"cached", filter.cached()},
                      {"estimated_exact_micros", filter.estimated_exact_micros()},
                      {"estimated_graph_micros", filter.estimated_graph_micros()},
                      {"estimated_comparisons", filter.estimated_comparisons()},
                      {"last_sequence", filter.last_sequence()}};
  }
  if (explanation.has_words()) {
    const eidetic::v1::WordExplanation& words = explanation.words();
    json["words"] = {{"words", ToJson(words.words())},
                     {"matching_count", words.matching_count()},
                     {"word_micros", words.word_micros()},
                     {"last_sequence", words.last_sequence()}};
  }
  return json;
}

Json CaptionHitToJson(const eidetic::v1::CaptionHit& hit) {
  Json json = {{"rank", hit.rank()},
               {"text", hit.text()},
               {"score", RoundScore(hit.score())},
               {"source", CaptionSourceName(hit.source())}};
  if (!hit.asset_id().empty()) json["id"] = hit.asset_id();
  return json;
}

const char* CaptionSourceName(eidetic::v1::CaptionSource source) {
  switch (source) {
    case eidetic::v1::CAPTION_SOURCE_CAPTIONS_FILE:
      return "captions_file";
    case eidetic::v1::CAPTION_SOURCE_SIDECAR:
      return "sidecar";
    case eidetic::v1::CAPTION_SOURCE_XMP:
      return "xmp";
    case eidetic::v1::CAPTION_SOURCE_IPTC:
      return "iptc";
    case eidetic::v1::CAPTION_SOURCE_EXIF:
      return "exif";
    case eidetic::v1::CAPTION_SOURCE_CLIENT:
      return "client";
    case eidetic::v1::CAPTION_SOURCE_PHRASE_BANK:
      return "phrase_bank";
    default:
      return "unknown";
  }
}

}  // namespace eidetic::cli
