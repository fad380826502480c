// SearchService as a client sees it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "searcher/score_calibration.h"
#include "service/grpc_status.h"
#include "tests/service/hosted_library.h"

namespace eidetic::service {
namespace {

using eidetic::v1::CaptionRequest;
using eidetic::v1::CaptionResponse;
using eidetic::v1::SearchRequest;
using eidetic::v1::SearchResponse;
using testing::ElementsAre;
using testing::HasSubstr;

// The field of the only violation in `status`.
std::string ViolatedField(const grpc::Status& status) {
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  const auto bad_request = GetBadRequest(FromGrpcStatus(status));
  if (!bad_request.has_value() || bad_request->field_violations_size() != 1) return "no single violation";
  EXPECT_FALSE(bad_request->field_violations(0).description().empty());
  return bad_request->field_violations(0).field();
}

void SetValues(eidetic::v1::Embedding& embedding, const std::vector<float>& values) {
  embedding.mutable_values()->Assign(values.begin(), values.end());
}

class SearchServiceTest : public testing::TestWithParam<bool> {
 protected:
  grpc::Status Search(const SearchRequest& request, SearchResponse* response = nullptr) {
    SearchResponse ignored;
    return hosted_.search().Search(NewContext().get(), request, response == nullptr ? &ignored : response);
  }

  std::vector<std::string> FoundIds(const SearchRequest& request) {
    SearchResponse response;
    const grpc::Status status = Search(request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> ids;
    for (const auto& hit : response.hits()) ids.push_back(hit.asset().asset_id());
    return ids;
  }

  SearchRequest VectorRequest(const std::vector<float>& vector, float weight = 0) {
    SearchRequest request;
    AddVector(request, vector, weight);
    return request;
  }

  void AddVector(SearchRequest& request, const std::vector<float>& vector, float weight) {
    auto* term = request.add_terms();
    SetValues(*term->mutable_embedding(), vector);
    term->set_weight(weight);
  }

  // a, b, c on three axes, and one between a and b.
  void PutAxes() {
    dimension_ = hosted_.dimension();
    hosted_.PutVector("a", AxisVector(dimension_, 0), {"first axis"});
    hosted_.PutVector("b", AxisVector(dimension_, 1));
    hosted_.PutVector("c", AxisVector(dimension_, 2));
    std::vector<float> between = AxisVector(dimension_, 0);
    between[1] = 1;
    hosted_.PutVector("ab", between);
    hosted_.WaitForIndex();
  }

  HostedLibrary hosted_{GetParam()};
  int dimension_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Transports, SearchServiceTest, testing::Bool(),
                         [](const auto& kind) { return kind.param ? "Tcp" : "InProcess"; });

TEST_P(SearchServiceTest, FindsTheNearestFirstWithWholeAssets) {
  PutAxes();
  SearchRequest request = VectorRequest(AxisVector(dimension_, 0));
  request.set_page_size(2);
  SearchResponse response;
  ASSERT_TRUE(Search(request, &response).ok());
  ASSERT_EQ(response.hits_size(), 2);
  EXPECT_EQ(response.hits(0).rank(), 1);
  EXPECT_EQ(response.hits(0).asset().asset_id(), "a");
  EXPECT_EQ(response.hits(0).asset().captions(0).text(), "first axis");
  EXPECT_NEAR(response.hits(0).score(), 1, 1e-4);
  EXPECT_EQ(response.hits(1).asset().asset_id(), "ab");
  EXPECT_NEAR(response.hits(1).score(), std::sqrt(0.5), 1e-4);
  EXPECT_FALSE(response.has_explanation());
}

TEST_P(SearchServiceTest, MixesTermsByWeight) {
  PutAxes();
  SearchRequest request = VectorRequest(AxisVector(dimension_, 0));
  AddVector(request, AxisVector(dimension_, 1), 1);
  EXPECT_EQ(FoundIds(request).front(), "ab");
  // Length does not count, weight does; negative weights push away.
  request = VectorRequest(AxisVector(dimension_, 0));
  std::vector<float> long_vector = AxisVector(dimension_, 1);
  long_vector[1] = 1e30F;
  AddVector(request, long_vector, -1);
  EXPECT_EQ(FoundIds(request).front(), "a");
  EXPECT_EQ(FoundIds(request).back(), "b");
  request.mutable_terms(1)->set_weight(std::numeric_limits<float>::max());
  EXPECT_EQ(FoundIds(request).front(), "b");
}

TEST_P(SearchServiceTest, TakesAssetsPicturesAndTexts) {
  PutAxes();
  eidetic::v1::PutAssetRequest put;
  put.mutable_asset()->set_image(MakePicture(40, 30, 7));
  eidetic::v1::PutAssetResponse stored;
  ASSERT_TRUE(hosted_.library().PutAsset(NewContext().get(), put, &stored).ok());
  hosted_.WaitForIndex();

  SearchRequest by_asset;
  by_asset.add_terms()->set_asset_id("b");
  EXPECT_EQ(FoundIds(by_asset).front(), "b");
  SearchRequest by_picture;
  by_picture.add_terms()->set_image(MakePicture(40, 30, 7));
  EXPECT_EQ(FoundIds(by_picture).front(), stored.asset().asset_id());
  SearchRequest by_text;
  by_text.add_terms()->set_text("a dog on the beach");
  EXPECT_EQ(FoundIds(by_text).size(), 5U);
}

TEST_P(SearchServiceTest, ExplainsWhenAsked) {
  PutAxes();
  SearchRequest request;
  request.add_terms()->set_text("a dog");
  request.set_explain(true);
  SearchResponse response;
  ASSERT_TRUE(Search(request, &response).ok());
  EXPECT_EQ(response.explanation().plan(), "exact");
  EXPECT_FALSE(response.explanation().reason().empty());
  EXPECT_EQ(response.explanation().live_size(), 4U);
  EXPECT_GT(response.explanation().encode_micros(), 0);
  EXPECT_FALSE(response.explanation().model_fingerprint().empty());
}

TEST_P(SearchServiceTest, HitsOfTextsHaveAConfidenceThatCanBeCut) {
  PutAxes();
  SearchRequest request;
  request.add_terms()->set_text("a dog");
  SearchResponse whole;
  ASSERT_TRUE(Search(request, &whole).ok());
  ASSERT_EQ(whole.hits_size(), 4);
  int sure = 0;
  for (const auto& hit : whole.hits()) {
    ASSERT_TRUE(hit.has_confidence());
    EXPECT_GE(hit.confidence(), 0);
    EXPECT_LE(hit.confidence(), 1);
    if (hit.confidence() >= whole.hits(0).confidence()) ++sure;
  }
  EXPECT_EQ(whole.unsure_count(), 0);
  request.set_min_confidence(whole.hits(0).confidence());
  SearchResponse cut;
  ASSERT_TRUE(Search(request, &cut).ok());
  EXPECT_EQ(cut.hits_size(), sure);
  EXPECT_EQ(cut.unsure_count(), 4 - sure);

  // Vectors, pictures and assets have none, and cannot be cut.
  SearchRequest by_asset;
  by_asset.add_terms()->set_asset_id("b");
  SearchResponse without;
  ASSERT_TRUE(Search(by_asset, &without).ok());
  EXPECT_FALSE(without.hits(0).has_confidence());
  by_asset.set_min_confidence(0.5F);
  EXPECT_EQ(ViolatedField(Search(by_asset)), "min_confidence");
  for (const float bad : {-0.1F, 1.1F, std::numeric_limits<float>::quiet_NaN()}) {
    request.set_min_confidence(bad);
    EXPECT_EQ(ViolatedField(Search(request)), "min_confidence");
  }
}

TEST_P(SearchServiceTest, NoiseIsCutOnlyWhereThereAreEnoughPhotosToTell) {
  PutAxes();
  SearchRequest request;
  request.add_terms()->set_text("a dog");
  request.set_cut_noise(true);
  SearchResponse small;
  ASSERT_TRUE(Search(request, &small).ok());
  EXPECT_EQ(small.hits_size(), 4);
  EXPECT_EQ(small.cut_confidence(), 0);

  std::vector<float> photo(static_cast<size_t>(dimension_));
  for (uint64_t i = 0; i < searcher::ScoreCalibration::kFewestPhotosForNoise; ++i) {
    for (size_t k = 0; k < photo.size(); ++k) photo[k] = std::sin(static_cast<float>(1 + i * (k + 1)));
    hosted_.PutVector(absl::StrCat("photo-", i), photo);
  }
  hosted_.WaitForIndex();
  request.set_page_size(100);
  SearchResponse cut;
  ASSERT_TRUE(Search(request, &cut).ok());
  EXPECT_EQ(cut.cut_confidence(), searcher::ScoreCalibration::kNoiseConfidence);
  EXPECT_GT(cut.unsure_count(), 0);
  EXPECT_EQ(cut.unsure_count() + cut.hits_size(), 100);
  for (const auto& hit : cut.hits())
    EXPECT_GE(hit.confidence(), searcher::ScoreCalibration::kNoiseConfidence);
  // What the client says counts more.
  request.set_min_confidence(1e-6F);
  SearchResponse chosen;
  ASSERT_TRUE(Search(request, &chosen).ok());
  EXPECT_EQ(chosen.cut_confidence(), 1e-6F);
  EXPECT_GT(chosen.hits_size(), cut.hits_size());
  // Pictures, assets and vectors have no confidence, and are not cut.
  SearchRequest by_asset;
  by_asset.add_terms()->set_asset_id("b");
  by_asset.set_cut_noise(true);
  SearchResponse without;
  ASSERT_TRUE(Search(by_asset, &without).ok());
  EXPECT_EQ(without.hits_size(), 10);
  EXPECT_EQ(without.cut_confidence(), 0);
}

TEST_P(SearchServiceTest, AFilterLeavesOnlyWhatPasses) {
  PutAxes();
  SearchRequest request = VectorRequest(AxisVector(dimension_, 1));
  request.set_filter("has:caption");
  EXPECT_THAT(FoundIds(request), ElementsAre("a"));
  request.set_filter("NOT has:caption");
  request.set_page_size(2);
  request.set_explain(true);
  SearchResponse first;
  ASSERT_TRUE(Search(request, &first).ok());
  ASSERT_EQ(first.hits_size(), 2);
  EXPECT_EQ(first.hits(0).asset().asset_id(), "b");
  EXPECT_EQ(first.explanation().plan(), "exact_filtered");
  EXPECT_EQ(first.explanation().filter().matching_count(), 3U);
  // The next page is of the same filter, or refused.
  request.set_page_token(first.next_page_token());
  EXPECT_EQ(FoundIds(request).size(), 1U);
  request.set_filter("has:caption");
  EXPECT_EQ(ViolatedField(Search(request)), "page_token");

  SearchRequest nothing = VectorRequest(AxisVector(dimension_, 0));
  nothing.set_filter("width > 1");
  EXPECT_TRUE(FoundIds(nothing).empty());
  nothing.set_filter("camera = ");
  EXPECT_EQ(ViolatedField(Search(nothing)), "filter");
  nothing.set_filter("colour = red");
  EXPECT_EQ(ViolatedField(Search(nothing)), "filter");
}

TEST_P(SearchServiceTest, WordsFindWhatVectorsDoNot) {
  // More than are ranked together, so that pages go on behind those.
  dimension_ = hosted_.dimension();
  for (int i = 0; i < 250; ++i) {
    hosted_.PutVector(absl::StrCat("other", i), RandomUnitVector(dimension_, static_cast<uint64_t>(i)));
  }
  hosted_.PutVector("named", RandomUnitVector(dimension_, 1'000), {"Grandma's 80th"});
  hosted_.PutVector("mentioned", RandomUnitVector(dimension_, 1'001),
                    {"the day after grandmas 80th birthday"});
  hosted_.WaitForIndex();
  SearchRequest request;
  request.add_terms()->set_text("Grandma\u2019s 80th");
  request.set_explain(true);
  // No hit by vectors alone is so sure, and words need not be.
  request.set_min_confidence(1);
  SearchResponse response;
  ASSERT_TRUE(Search(request, &response).ok());
  ASSERT_EQ(response.hits_size(), 2);
  EXPECT_EQ(response.hits(0).asset().asset_id(), "named");
  EXPECT_THAT(response.hits(0).matched_words(), ElementsAre("grandmas", "80th"));
  EXPECT_EQ(response.hits(1).asset().asset_id(), "mentioned");
  EXPECT_EQ(response.words_error(), "");
  EXPECT_THAT(response.explanation().words().words(), ElementsAre("grandmas", "80th"));
  EXPECT_EQ(response.explanation().words().matching_count(), 2U);

  request.set_min_confidence(0);
  request.set_no_words(true);
  ASSERT_TRUE(Search(request, &response).ok());
  EXPECT_FALSE(response.explanation().has_words());
  for (const auto& hit : response.hits()) EXPECT_TRUE(hit.matched_words().empty());

  // All pages together are all photos, each once.
  request.set_no_words(false);
  request.set_page_size(35);
  std::set<std::string> ids;
  int hits = 0;
  do {
    ASSERT_TRUE(Search(request, &response).ok());
    for (const auto& hit : response.hits()) {
      EXPECT_EQ(hit.rank(), ++hits);
      EXPECT_TRUE(ids.insert(hit.asset().asset_id()).second) << hit.asset().asset_id();
    }
    request.set_page_token(response.next_page_token());
  } while (!response.next_page_token().empty());
  EXPECT_EQ(ids.size(), 252U);
  request.clear_page_token();

  // A filter holds for words too, and what is pushed away is not looked for.
  request.set_page_size(10);
  request.set_filter("NOT has:caption");
  ASSERT_TRUE(Search(request, &response).ok());
  EXPECT_EQ(response.hits_size(), 10);
  EXPECT_EQ(response.explanation().words().matching_count(), 0U);
  request.clear_filter();
  request.mutable_terms(0)->set_weight(-1);
  ASSERT_TRUE(Search(request, &response).ok());
  EXPECT_FALSE(response.explanation().has_words());
}

TEST_P(SearchServiceTest, ADamagedCalibrationIsMadeAgain) {
  PutAxes();
  SearchRequest request;
  request.add_terms()->set_text("a dog");
  SearchResponse before;
  ASSERT_TRUE(Search(request, &before).ok());
  const std::string path = hosted_.directory() + "/calibration";
  {
    std::ofstream damaged(path);
    damaged << "nothing of the kind";
  }
  hosted_.Restart();
  SearchResponse after;
  ASSERT_TRUE(Search(request, &after).ok());
  ASSERT_EQ(after.hits_size(), before.hits_size());
  EXPECT_EQ(after.hits(0).confidence(), before.hits(0).confidence());
  EXPECT_GT(std::filesystem::file_size(path), 1000U);
}

TEST_P(SearchServiceTest, AnEmptyLibraryHasNoHits) {
  SearchRequest request;
  request.add_terms()->set_text("a dog");
  EXPECT_TRUE(FoundIds(request).empty());
}

TEST_P(SearchServiceTest, NamesTheFieldAtFault) {
  PutAxes();
  SearchRequest request;
  EXPECT_EQ(ViolatedField(Search(request)), "terms");
  request.add_terms();
  EXPECT_EQ(ViolatedField(Search(request)), "terms[0]");
  request.mutable_terms(0)->set_text(" \n");
  EXPECT_EQ(ViolatedField(Search(request)), "terms[0].text");
  request.mutable_terms(0)->set_text(std::string(65'537, 'x'));
  EXPECT_EQ(ViolatedField(Search(request)), "terms[0].text");
  request.mutable_terms(0)->set_text(std::string(65'536, 'x'));
  EXPECT_TRUE(Search(request).ok());
  request.mutable_terms(0)->set_image("");
  EXPECT_EQ(ViolatedField(Search(request)), "terms[0].image");
  request.mutable_terms(0)->set_image("not a picture");
  EXPECT_EQ(ViolatedField(Search(request)), "terms[0].image");
  request.mutable_terms(0)->set_image("P6\n60000 60000\n255\nxyz");
  EXPECT_EQ(ViolatedField(Search(request)), "terms[0].image");
  request.mutable_terms(0)->set_asset_id("no/such id");
  EXPECT_EQ(ViolatedField(Search(request)), "terms[0].asset_id");

  request = VectorRequest({});
  EXPECT_EQ(ViolatedField(Search(request)), "terms[0].embedding.values");
  request = VectorRequest(std::vector<float>(static_cast<size_t>(dimension_) + 1, 1));
  EXPECT_EQ(ViolatedField(Search(request)), "terms[0].embedding.values");
  request = VectorRequest(std::vector<float>(static_cast<size_t>(dimension_), 0));
  EXPECT_EQ(ViolatedField(Search(request)), "terms[0].embedding.values");
  std::vector<float> hostile = AxisVector(dimension_, 0);
  for (const float value : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    hostile[1] = value;
    EXPECT_EQ(ViolatedField(Search(VectorRequest(hostile))), "terms[0].embedding.values");
    EXPECT_EQ(ViolatedField(Search(VectorRequest(AxisVector(dimension_, 0), value))), "terms[0].weight");
  }

  request = VectorRequest(AxisVector(dimension_, 0), 2);
  AddVector(request, AxisVector(dimension_, 0), -2);
  EXPECT_EQ(ViolatedField(Search(request)), "terms");
  request = VectorRequest(AxisVector(dimension_, 0));
  request.set_page_size(-1);
  EXPECT_EQ(ViolatedField(Search(request)), "page_size");
  request.clear_page_size();
  request.set_ef_search(-5);
  EXPECT_EQ(ViolatedField(Search(request)), "ef_search");
}

TEST_P(SearchServiceTest, TakesSixteenTermsAndNoMore) {
  PutAxes();
  SearchRequest request;
  for (int i = 0; i < 16; ++i) request.add_terms()->set_asset_id("a");
  EXPECT_TRUE(Search(request).ok());
  request.add_terms()->set_asset_id("a");
  EXPECT_EQ(ViolatedField(Search(request)), "terms");
}

TEST_P(SearchServiceTest, AllFaultsAreListedAtOnce) {
  SearchRequest request;
  request.add_terms();
  request.add_terms()->set_text("");
  request.set_page_size(-1);
  const auto bad_request = GetBadRequest(FromGrpcStatus(Search(request)));
  ASSERT_TRUE(bad_request.has_value());
  EXPECT_EQ(bad_request->field_violations_size(), 3);
}

TEST_P(SearchServiceTest, UnknownAssetIsNotFound) {
  PutAxes();
  SearchRequest request;
  request.add_terms()->set_asset_id("nobody");
  const grpc::Status status = Search(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("nobody"));
}

TEST_P(SearchServiceTest, PagesGiveEachHitOnceInOrder) {
  dimension_ = hosted_.dimension();
  for (int i = 0; i < 25; ++i) {
    // Pairs of equal vectors: ties must not fall between pages.
    hosted_.PutVector(absl::StrCat("asset-", i), RandomUnitVector(dimension_, static_cast<uint64_t>(i / 2)));
  }
  hosted_.WaitForIndex();
  SearchRequest request = VectorRequest(RandomUnitVector(dimension_, 99));
  request.set_page_size(1'000);
  const std::vector<std::string> whole = FoundIds(request);
  ASSERT_EQ(whole.size(), 25U);

  request.set_page_size(4);
  std::vector<std::string> paged;
  int rank = 0;
  while (true) {
    SearchResponse response;
    ASSERT_TRUE(Search(request, &response).ok());
    for (const auto& hit : response.hits()) {
      EXPECT_EQ(hit.rank(), ++rank);
      paged.push_back(hit.asset().asset_id());
    }
    if (response.next_page_token().empty()) break;
    request.set_page_token(response.next_page_token());
  }
  EXPECT_EQ(paged, whole);
}

TEST_P(SearchServiceTest, PageTokensAreCheckedAndExpire) {
  PutAxes();
  SearchRequest request = VectorRequest(AxisVector(dimension_, 0));
  request.set_page_size(1);
  SearchResponse response;
  ASSERT_TRUE(Search(request, &response).ok());
  const std::string token = response.next_page_token();
  ASSERT_FALSE(token.empty());

  request.set_page_token(token + "x");
  EXPECT_EQ(ViolatedField(Search(request)), "page_token");
  request.set_page_token("garbage");
  EXPECT_EQ(ViolatedField(Search(request)), "page_token");
  SearchRequest other = VectorRequest(AxisVector(dimension_, 1));
  other.set_page_token(token);
  EXPECT_EQ(ViolatedField(Search(other)), "page_token");
  request.set_page_token(token);
  request.set_page_size(2);
  request.set_explain(true);
  EXPECT_THAT(FoundIds(request), testing::SizeIs(2));

  hosted_.PutVector("d", AxisVector(dimension_, 3));
  hosted_.WaitForIndex();
  EXPECT_EQ(Search(request).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  hosted_.Restart();
  EXPECT_EQ(ViolatedField(Search(request)), "page_token");
}

TEST_P(SearchServiceTest, CaptionsComeFromTheLibraryAndTheBank) {
  dimension_ = hosted_.dimension();
  hosted_.PutVector("a", AxisVector(dimension_, 0), {"A red bicycle", "a house by the lake"});
  hosted_.PutVector("b", AxisVector(dimension_, 1), {"a red bicycle "});
  hosted_.WaitForIndex();
  // The vector of a text finds that text.
  eidetic::v1::EmbedRequest embed;
  embed.add_inputs()->set_text("A red bicycle");
  eidetic::v1::EmbedResponse embedded;
  ASSERT_TRUE(hosted_.encoder().Embed(NewContext().get(), embed, &embedded).ok());

  CaptionRequest request;
  *request.mutable_query()->mutable_embedding() = embedded.embeddings(0);
  request.set_library_only(true);
  CaptionResponse response;
  ASSERT_TRUE(hosted_.search().Caption(NewContext().get(), request, &response).ok());
  ASSERT_EQ(response.captions_size(), 2);
  EXPECT_EQ(response.captions(0).rank(), 1);
  EXPECT_EQ(response.captions(0).text(), "A red bicycle");
  EXPECT_EQ(response.captions(0).asset_id(), "a");
  EXPECT_EQ(response.captions(0).source(), eidetic::v1::CAPTION_SOURCE_CLIENT);
  EXPECT_NEAR(response.captions(0).score(), 1, 1e-3);

  request.set_library_only(false);
  request.set_page_size(1'000);
  ASSERT_TRUE(hosted_.search().Caption(NewContext().get(), request, &response).ok());
  std::set<std::string> texts;
  float last_score = 2;
  for (const auto& caption : response.captions()) {
    EXPECT_TRUE(texts.insert(caption.text()).second) << caption.text();
    EXPECT_LE(caption.score(), last_score);
    EXPECT_EQ(caption.asset_id().empty(), caption.source() == eidetic::v1::CAPTION_SOURCE_PHRASE_BANK);
    last_score = caption.score();
  }
  request.set_phrase_bank_only(true);
  ASSERT_TRUE(hosted_.search().Caption(NewContext().get(), request, &response).ok());
  for (const auto& caption : response.captions()) {
    EXPECT_EQ(caption.source(), eidetic::v1::CAPTION_SOURCE_PHRASE_BANK);
  }
}

TEST_P(SearchServiceTest, CaptionRefusesWhatIsNoPicture) {
  PutAxes();
  const auto caption = [&](const CaptionRequest& request) {
    CaptionResponse response;
    return hosted_.search().Caption(NewContext().get(), request, &response);
  };
  CaptionRequest request;
  EXPECT_EQ(ViolatedField(caption(request)), "query");
  request.mutable_query()->set_text("a dog");
  EXPECT_EQ(ViolatedField(caption(request)), "query.text");
  request.mutable_query()->set_image("garbage");
  EXPECT_EQ(ViolatedField(caption(request)), "query.image");
  request.mutable_query()->set_asset_id("a");
  request.set_page_size(-2);
  EXPECT_EQ(ViolatedField(caption(request)), "page_size");
  request.set_page_size(0);
  request.set_library_only(true);
  request.set_phrase_bank_only(true);
  EXPECT_EQ(ViolatedField(caption(request)), "phrase_bank_only");
}

TEST_P(SearchServiceTest, APastDeadlineEndsTheCall) {
  PutAxes();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() - std::chrono::seconds(1));
  SearchResponse response;
  EXPECT_EQ(
      hosted_.search().Search(&context, VectorRequest(AxisVector(dimension_, 0)), &response).error_code(),
      grpc::StatusCode::DEADLINE_EXCEEDED);
}

}  // namespace
}  // namespace eidetic::service
