// What `--json` prints: the objects of the contract (docs/cli.md), one a line on
// standard output. Stateless.
#ifndef EIDETIC_CLI_JSON_OUTPUT_H_
#define EIDETIC_CLI_JSON_OUTPUT_H_

#include <nlohmann/json.hpp>

#include "eidetic/v1/asset.pb.h"
#include "eidetic/v1/search_service.pb.h"

namespace eidetic::cli {

using Json = nlohmann::ordered_json;

// One line on standard output; text that is not UTF-8 gets U+FFFD.
void PrintJson(const Json& json);

// {"rank":1,"path":"…","id":"…","score":0.31,…}; `path` is null for an asset
// without a file.
Json HitToJson(const eidetic::v1::SearchHit& hit);
Json ExplanationToJson(const eidetic::v1::SearchExplanation& explanation);
// {"rank":1,"text":"…","score":0.31,"source":"sidecar"}.
Json CaptionHitToJson(const eidetic::v1::CaptionHit& hit);

// "sidecar", "phrase_bank" and so on.
const char* CaptionSourceName(eidetic::v1::CaptionSource source);

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_JSON_OUTPUT_H_
