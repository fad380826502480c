#include "cli/json_output.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace eidetic::cli {
namespace {

TEST(HitToJson, HasTheFieldsOfTheContract) {
  eidetic::v1::SearchHit hit;
  hit.set_rank(1);
  hit.set_score(0.3125F);
  hit.mutable_asset()->set_asset_id("abc");
  hit.mutable_asset()->add_paths("/a b/ü.jpg");
  const Json json = HitToJson(hit);
  EXPECT_EQ(json.dump(), R"({"rank":1,"path":"/a b/ü.jpg","id":"abc","score":0.3125})");
}

TEST(HitToJson, AnAssetWithoutFileHasANullPath) {
  eidetic::v1::SearchHit hit;
  hit.mutable_asset()->set_asset_id("abc");
  EXPECT_TRUE(HitToJson(hit)["path"].is_null());
}

TEST(HitToJson, CopiesAreAllListed) {
  eidetic::v1::SearchHit hit;
  hit.mutable_asset()->add_paths("/a.jpg");
  hit.mutable_asset()->add_paths("/b.jpg");
  EXPECT_EQ(HitToJson(hit)["paths"].size(), 2U);
}

TEST(CaptionHitToJson, SaysItsSource) {
  eidetic::v1::CaptionHit hit;
  hit.set_rank(2);
  hit.set_text("a dog");
  hit.set_score(0.5F);
  hit.set_source(eidetic::v1::CAPTION_SOURCE_PHRASE_BANK);
  EXPECT_EQ(CaptionHitToJson(hit).dump(), R"({"rank":2,"text":"a dog","score":0.5,"source":"phrase_bank"})");
}

TEST(CaptionSourceName, EverySourceHasItsOwnName) {
  std::set<std::string> names;
  for (int source = eidetic::v1::CaptionSource_MIN + 1; source <= eidetic::v1::CaptionSource_MAX; ++source) {
    names.insert(CaptionSourceName(static_cast<eidetic::v1::CaptionSource>(source)));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(eidetic::v1::CaptionSource_MAX));
  EXPECT_EQ(names.count("unknown"), 0U);
}

}  // namespace
}  // namespace eidetic::cli
