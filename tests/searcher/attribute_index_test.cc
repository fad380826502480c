#include "searcher/attribute_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "tests/storage/test_library.h"

namespace eidetic::searcher {
namespace {

using storage::CommitOne;
using storage::OpenTestLibrary;
using storage::UnitVector;
using storage::v1::AssetRecord;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class AttributeIndexTest : public ::testing::Test {
 protected:
  void SetUp() override { library_ = OpenTestLibrary(folder_ / "library"); }

  void Put(const std::string& id, const AssetRecord& record, const std::string& path = "",
           const std::vector<std::string>& captions = {}) {
    storage::PutAsset put;
    put.asset_id = id;
    put.record = record;
    put.embedding = UnitVector(1);
    if (!path.empty()) put.path = storage::PathInput{path, {}};
    storage::CaptionSet set;
    set.source = eidetic::v1::CAPTION_SOURCE_CLIENT;
    for (const std::string& text : captions) set.captions.push_back({text, UnitVector(2)});
    put.caption_sets.push_back(set);
    const absl::Status status = CommitOne(*library_, put);
    ASSERT_TRUE(status.ok()) << status;
  }

  // Ids of the photos that pass, sorted.
  std::vector<std::string> Find(AttributeIndex& index, const std::string& filter) {
    const auto compiled = CompileFilter(filter);
    EXPECT_TRUE(compiled.ok()) << compiled.status();
    if (!compiled.ok()) return {};
    const auto matches = index.Evaluate(*compiled, {});
    EXPECT_TRUE(matches.ok()) << matches.status();
    if (!matches.ok()) return {};
    std::vector<std::string> ids;
    matches->photos->ForEach([&](uint64_t ordinal) {
      ids.push_back(*library_->GetAssetId(static_cast<storage::Ordinal>(ordinal)));
      return true;
    });
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  storage::TestFolder folder_;
  std::unique_ptr<storage::Library> library_;
};

// A photo of everything.
AssetRecord ItalianPhoto() {
  AssetRecord record;
  record.set_width(4'000);
  record.set_height(3'000);
  record.set_taken_time_micros(1'685'615'405'250'000);  // 2023-06-01T10:30:05.25Z
  eidetic::v1::PhotoMetadata& metadata = *record.mutable_metadata();
  metadata.set_camera_make("FUJIFILM");
  metadata.set_camera_model("X100V");
  metadata.set_lens_model("23mm F2");
  metadata.set_iso(400);
  metadata.set_focal_length_mm(23);
  metadata.set_f_number(2.8);
  metadata.set_exposure_time_seconds(0.004);
  metadata.set_latitude(45.4371);
  metadata.set_longitude(12.3326);
  metadata.set_rating(4);
  metadata.add_tags("Canal");
  metadata.add_hierarchical_tags("Places/Italy/Venezia");
  metadata.add_albums("Honeymoon");
  metadata.set_city("Venezia");
  metadata.set_country("Italia");
  (*record.mutable_attributes())["shelf"] = "A3";
  (*record.mutable_attributes())["score"] = "0.75";
  return record;
}

TEST_F(AttributeIndexTest, EachFieldFindsAndMisses) {
  Put("italy", ItalianPhoto(), "/photos/2023 Italy/Venice/DSCF1.JPG", {"a canal"});
  Put("bare", AssetRecord());
  AttributeIndex index(library_.get(), {});
  const std::vector<std::string> found = {"italy"};
  for (const char* filter : {"taken >= \"2023-06-01\"",
                             "taken = 2023-06-01",
                             "taken > 2023-05",
                             "taken <= 2023-06",
                             "taken < 2023-06-02",
                             "taken:2023",
                             "taken = 2023-06-01T10:30:05Z",
                             "width = 4000",
                             "height < 3001 AND height > 2999",
                             "orientation = landscape",
                             "camera = \"X100V\"",
                             "camera = x100v",
                             "camera = \"Fujifilm X100V\"",
                             "camera = fujifilm",
                             "camera:100",
                             "camera = X*V",
                             "camera != X100F",
                             "lens:\"23mm\"",
                             "lens = \"23MM f2\"",
                             "iso >= 400",
                             "iso:400",
                             "iso != 200",
                             "focal_length = 23mm",
                             "aperture = f/2.8",
                             "aperture <= 2.8",
                             "shutter = 1/250",
                             "shutter <= 1/250s",
                             "rating > 3",
                             "lat > 45 lat < 46 lon > 12 lon < 13",
                             "within(45.43, 12.33, 5)",
                             "box(45, 12, 46, 13)",
                             "place:Venezia",
                             "place = italia",
                             "place:venez",
                             "tag:canal",
                             "tag = CANAL",
                             "tag:italy",
                             "tag:\"places/italy\"",
                             "tag:\"places/italy/venezia\"",
                             "tag:can*",
                             "tag != dog",
                             "album:Venice",
                             "album:honeymoon",
                             "folder:\"Italy\"",
                             "folder = venice",
                             "folder = \"2023 italy\"",
                             "folder = \"/photos/2023 Italy/Venice\"",
                             "folder = \"/photos/2023 Italy/Venice/\"",
                             "folder = \"/photos/*\"",
                             "path = \"/photos/**/DSCF?.jpg\"",
                             "path = \"DSCF*.jpg\"",
                             "path:\"italy/venice/dscf\"",
                             "extension = jpg",
                             "extension:.JPG",
                             "has:caption",
                             "has:location",
                             "has:taken",
                             "camera:*",
                             "attributes.shelf = a3",
                             "attributes.shelf:3",
                             "attributes.shelf != B1",
                             "attributes.score > 0.5",
                             "attributes.score:*"}) {
    EXPECT_EQ(Find(index, filter), found) << filter;
    EXPECT_THAT(Find(index, absl::StrCat("NOT (", filter, ")")), ElementsAre("bare")) << filter;
  }
  for (const char* filter : {"taken > 2023-06-01",
                             "taken < 2023-06-01",
                             "taken = 2022",
                             "width > 4000",
                             "orientation = portrait",
                             "camera = X100",
                             "camera != x100v",
                             "iso > 400",
                             "iso < 400",
                             "aperture > 2.8",
                             "aperture < 2.8",
                             "shutter < 1/250",
                             "shutter > 1/250",
                             "focal_length < 23",
                             "within(45.43, 12.33, 0.1)",
                             "box(45, 13, 46, 12)",
                             "tag:cana",
                             "tag:venez",
                             "tag != canal",
                             "folder = ital",
                             "folder = /photos",
                             "path = \"/photos/*/DSCF?.jpg\"",
                             "path = dscf1",
                             "extension = jpeg",
                             "attributes.shelf = 3",
                             "attributes.other = A3",
                             "attributes.shelf > 1",
                             "attributes.score > 0.75",
                             "place:rome"}) {
    EXPECT_THAT(Find(index, filter), IsEmpty()) << filter;
  }
  EXPECT_THAT(Find(index, "added > 2020"), ElementsAre("bare", "italy"));
  EXPECT_THAT(Find(index, "added < 2020"), IsEmpty());
  EXPECT_THAT(Find(index, "iso = 400 OR NOT iso:*"), ElementsAre("bare", "italy"));
}

TEST_F(AttributeIndexTest, PlacesAcrossTheDateLineAndAtThePoles) {
  const auto at = [](double latitude, double longitude) {
    AssetRecord record;
    record.mutable_metadata()->set_latitude(latitude);
    record.mutable_metadata()->set_longitude(longitude);
    return record;
  };
  Put("fiji_east", at(-17, 179.9));
  Put("fiji_west", at(-17, -179.9));
  Put("pole", at(89.9, 10));
  Put("other_side_of_the_pole", at(89.9, -170));
  AttributeIndex index(library_.get(), {});
  EXPECT_THAT(Find(index, "within(-17, 180, 50)"), ElementsAre("fiji_east", "fiji_west"));
  EXPECT_THAT(Find(index, "within(-17, -179.9, 50)"), ElementsAre("fiji_east", "fiji_west"));
  EXPECT_THAT(Find(index, "box(-20, 179, -10, -179)"), ElementsAre("fiji_east", "fiji_west"));
  EXPECT_THAT(Find(index, "box(-20, -180, -10, 0)"), ElementsAre("fiji_west"));
  EXPECT_THAT(Find(index, "within(89.9, 10, 30)"), ElementsAre("other_side_of_the_pole", "pole"));
}

TEST_F(AttributeIndexTest, APhotoAtSeveralPathsIsFoundByEach) {
  Put("twice", AssetRecord(), "/a/one.jpg");
  ASSERT_TRUE(CommitOne(*library_, storage::AttachPath{"twice", {"/b/two.png", {}}, {}}).ok());
  AttributeIndex index(library_.get(), {});
  for (const char* filter :
       {"folder = a", "folder = b", "extension = jpg", "extension = png", "album:a album:b"}) {
    EXPECT_THAT(Find(index, filter), ElementsAre("twice")) << filter;
  }
  ASSERT_TRUE(CommitOne(*library_, storage::DetachPath{"/a/one.jpg"}).ok());
  EXPECT_THAT(Find(index, "folder = b"), ElementsAre("twice"));
  EXPECT_THAT(Find(index, "folder = a"), IsEmpty());
}

TEST_F(AttributeIndexTest, AnEmptyLibraryAndOneWithoutAModelHaveNoMatches) {
  AttributeIndex index(library_.get(), {});
  EXPECT_THAT(Find(index, "iso > 1"), IsEmpty());
  EXPECT_THAT(Find(index, "NOT iso > 1"), IsEmpty());
  Put("first", ItalianPhoto());
  EXPECT_THAT(Find(index, "iso > 1"), ElementsAre("first"));
  storage::TestFolder other;
  const auto empty = storage::Library::Open(other / "library", {.create = true});
  ASSERT_TRUE(empty.ok());
  AttributeIndex nothing(empty->get(), {});
  EXPECT_EQ(nothing.Evaluate(*CompileFilter("NOT iso > 1"), {})->photos->Cardinality(), 0U);
}

TEST_F(AttributeIndexTest, NothingIsReadBeforeTheFirstFilter) {
  Put("italy", ItalianPhoto());
  AttributeIndex index(library_.get(), {});
  EXPECT_EQ(index.status().state, SegmentedIndexStatus::State::kIdle);
  EXPECT_THAT(Find(index, "iso = 400"), ElementsAre("italy"));
  EXPECT_EQ(index.status().state, SegmentedIndexStatus::State::kReady);
  EXPECT_EQ(index.status().photo_count, 1U);
  EXPECT_GT(index.status().memory_bytes, 0U);
}

TEST_F(AttributeIndexTest, AnAnswerIsKeptUntilSomethingChanges) {
  Put("italy", ItalianPhoto());
  AttributeIndex index(library_.get(), {});
  const auto filter = *CompileFilter("iso = 400");
  EXPECT_FALSE(index.Evaluate(filter, {})->cached);
  EXPECT_TRUE(index.Evaluate(*CompileFilter(" (iso=400) "), {})->cached);
  Put("other", ItalianPhoto());
  const auto after = index.Evaluate(filter, {});
  EXPECT_FALSE(after->cached);
  EXPECT_EQ(after->photos->Cardinality(), 2U);
  EXPECT_EQ(after->last_sequence, library_->last_sequence());
}

TEST_F(AttributeIndexTest, TooMuchForItsMemoryIsRefused) {
  AssetRecord record;
  (*record.mutable_attributes())["text"] = std::string(1'000, 'x');
  for (int i = 0; i < 4'096; ++i) {
    (*record.mutable_attributes())["text"].replace(0, 8, absl::StrCat(10'000'000 + i));
    Put(absl::StrCat("a", i), record);
  }
  AttributeIndex index(library_.get(), {.max_bytes = 1 << 20});
  const auto refused = index.Evaluate(*CompileFilter("iso > 1"), {});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted) << refused.status();
}

TEST_F(AttributeIndexTest, ACancelledFilterStops) {
  Put("italy", ItalianPhoto());
  AttributeIndex index(library_.get(), {});
  const auto stopped = index.Evaluate(*CompileFilter("iso > 1"), [] { return true; });
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled);
}

// --- Against records looked at one by one ---

const char* const kCameras[] = {"X100V", "X100F", "Pixel 7", "EOS R5"};
const char* const kTags[] = {"beach", "dog", "Screenshot", "family", "night"};

struct Photo {
  AssetRecord record;
  std::string path;
  bool captioned = false;
};

Photo RandomPhoto(std::mt19937& random) {
  const auto maybe = [&random](int percent) { return static_cast<int>(random() % 100) < percent; };
  Photo photo;
  eidetic::v1::PhotoMetadata& metadata = *photo.record.mutable_metadata();
  if (maybe(90)) {
    // Many days, and a few photos of one second.
    photo.record.set_taken_time_micros(
        maybe(10) ? 1'600'000'000'000'000
                  : 1'600'000'000'000'000 + static_cast<int64_t>(random() % 100'000) * 1'000'000'000);
  }
  if (maybe(90)) {
    photo.record.set_width(1'000 + random() % 3 * 1'000);
    photo.record.set_height(1'000 + random() % 3 * 1'000);
  }
  if (maybe(80)) metadata.set_camera_model(kCameras[random() % 4]);
  if (maybe(80)) metadata.set_iso(100U << (random() % 6));
  if (maybe(50)) metadata.set_latitude(static_cast<double>(random() % 180'000) / 1'000 - 90);
  if (metadata.has_latitude()) metadata.set_longitude(static_cast<double>(random() % 360'000) / 1'000 - 180);
  for (const char* tag : kTags) {
    if (maybe(15)) metadata.add_tags(tag);
  }
  if (maybe(70))
    photo.path = absl::StrCat("/photos/", random() % 5, "/", random() % 4, "/img_", random() % 100'000,
                              maybe(50) ? ".jpg" : ".PNG");
  if (maybe(20)) (*photo.record.mutable_attributes())["shelf"] = absl::StrCat(random() % 50);
  photo.captioned = maybe(30);
  return photo;
}

using Truth = std::function<bool(const Photo&)>;

// A filter of one term and what it means.
std::pair<std::string, Truth> RandomTerm(std::mt19937& random) {
  const auto number = [&random](int below) {
    return static_cast<int>(random() % static_cast<unsigned>(below));
  };
  switch (random() % 12) {
    case 0: {
      const int64_t day = 18'518 + int64_t{number(1'158)};
      const absl::CivilDay civil = absl::CivilDay(1970, 1, 1) + day;
      return {absl::StrCat("taken < ", absl::FormatCivilTime(civil)), [day](const Photo& photo) {
                return photo.record.has_taken_time_micros() &&
                       photo.record.taken_time_micros() < day * 86'400'000'000;
              }};
    }
    case 1: {
      const int64_t first = 18'518 + int64_t{number(1'158)};
      const int64_t days = number(30);
      const auto text = [](int64_t day) { return absl::FormatCivilTime(absl::CivilDay(1970, 1, 1) + day); };
      return {absl::StrCat("(taken >= ", text(first), " AND taken <= ", text(first + days), ")"),
              [first, days](const Photo& photo) {
                return photo.record.has_taken_time_micros() &&
                       photo.record.taken_time_micros() >= first * 86'400'000'000 &&
                       photo.record.taken_time_micros() < (first + days + 1) * 86'400'000'000;
              }};
    }
    case 2: {
      const uint32_t iso = 100U << number(6);
      return {absl::StrCat("iso > ", iso), [iso](const Photo& photo) {
                return photo.record.metadata().has_iso() && photo.record.metadata().iso() > iso;
              }};
    }
    case 3: {
      const uint32_t iso = 100U << number(6);
      return {absl::StrCat("iso != ", iso), [iso](const Photo& photo) {
                return photo.record.metadata().has_iso() && photo.record.metadata().iso() != iso;
              }};
    }
    case 4: {
      const std::string camera = kCameras[number(4)];
      return {absl::StrCat("camera = \"", absl::AsciiStrToLower(camera), "\""),
              [camera](const Photo& photo) { return photo.record.metadata().camera_model() == camera; }};
    }
    case 5:
      return {"camera:x100", [](const Photo& photo) {
                return absl::StartsWith(photo.record.metadata().camera_model(), "X100");
              }};
    case 6: {
      const std::string tag = kTags[number(5)];
      return {absl::StrCat("tag:", tag), [tag](const Photo& photo) {
                const auto& tags = photo.record.metadata().tags();
                return std::find(tags.begin(), tags.end(), tag) != tags.end();
              }};
    }
    case 7: {
      const std::string folder = absl::StrCat("/photos/", number(5), "/");
      return {absl::StrCat("path = \"", folder, "**\""),
              [folder](const Photo& photo) { return absl::StartsWith(photo.path, folder); }};
    }
    case 8:
      return {"extension = png", [](const Photo& photo) { return absl::EndsWith(photo.path, ".PNG"); }};
    case 9: {
      const double latitude = static_cast<double>(number(160)) - 80;
      const double longitude = static_cast<double>(number(360)) - 180;
      const double radius = number(9'000);
      return {absl::StrCat("within(", latitude, ",", longitude, ",", radius, ")"), [=](const Photo& photo) {
                const auto& metadata = photo.record.metadata();
                return metadata.has_latitude() &&
                       DistanceKm(latitude, longitude, metadata.latitude(), metadata.longitude()) <= radius;
              }};
    }
    case 10: {
      const int shelf = number(50);
      return {absl::StrCat("attributes.shelf >= ", shelf), [shelf](const Photo& photo) {
                const auto found = photo.record.attributes().find("shelf");
                return found != photo.record.attributes().end() && std::stoi(found->second) >= shelf;
              }};
    }
    default:
      return {"has:caption", [](const Photo& photo) { return photo.captioned; }};
  }
}

std::pair<std::string, Truth> RandomFilter(std::mt19937& random, int depth) {
  if (depth == 0 || random() % 4 == 0) return RandomTerm(random);
  const auto a = RandomFilter(random, depth - 1);
  if (random() % 3 == 0) {
    return {absl::StrCat("NOT (", a.first, ")"), [a](const Photo& photo) { return !a.second(photo); }};
  }
  const auto b = RandomFilter(random, depth - 1);
  if (random() % 2 == 0) {
    return {absl::StrCat("(", a.first, " AND ", b.first, ")"),
            [a, b](const Photo& photo) { return a.second(photo) && b.second(photo); }};
  }
  return {absl::StrCat("(", a.first, ") OR (", b.first, ")"),
          [a, b](const Photo& photo) { return a.second(photo) || b.second(photo); }};
}

TEST_F(AttributeIndexTest, AgreesWithLookingAtEveryPhotoThroughLiveChanges) {
  std::mt19937 random(11);
  std::map<std::string, Photo> photos;
  const auto put_many = [&](int count) {
    std::vector<storage::Mutation> mutations;
    for (int i = 0; i < count; ++i) {
      const std::string id = absl::StrCat("p", random() % 3'000);
      Photo photo = RandomPhoto(random);
      // Paths stay with an asset that is put again.
      if (const auto old = photos.find(id); old != photos.end()) photo.path = old->second.path;
      storage::PutAsset put;
      put.asset_id = id;
      put.record = photo.record;
      put.record.set_put_by_client(true);
      put.embedding = UnitVector(1);
      if (!photo.path.empty()) {
        // No two photos at one path.
        for (const auto& [other, stored] : photos) {
          if (other != id && stored.path == photo.path) photo.path.clear();
        }
      }
      if (!photo.path.empty()) put.path = storage::PathInput{photo.path, {}};
      storage::CaptionSet set;
      set.source = eidetic::v1::CAPTION_SOURCE_CLIENT;
      if (photo.captioned) set.captions.push_back({"text", UnitVector(2)});
      put.caption_sets.push_back(set);
      mutations.emplace_back(std::move(put));
      photos[id] = std::move(photo);
    }
    const auto results = library_->Commit(std::move(mutations));
    ASSERT_TRUE(results.ok()) << results.status();
    for (const absl::Status& status : *results) ASSERT_TRUE(status.ok()) << status;
  };
  const auto delete_many = [&](int count) {
    std::vector<storage::Mutation> mutations;
    for (int i = 0; i < count && !photos.empty(); ++i) {
      auto victim = photos.lower_bound(absl::StrCat("p", random() % 3'000));
      if (victim == photos.end()) victim = photos.begin();
      mutations.emplace_back(storage::DeleteAsset{victim->first});
      photos.erase(victim);
    }
    ASSERT_TRUE(library_->Commit(std::move(mutations)).ok());
  };
  put_many(2'000);
  AttributeIndex index(library_.get(), {.merge_aside_from = 600});
  size_t nonempty = 0;
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 10; ++i) {
      const auto [filter, truth] = RandomFilter(random, 3);
      std::vector<std::string> expected;
      for (const auto& [id, photo] : photos) {
        if (truth(photo)) expected.push_back(id);
      }
      nonempty += expected.empty() ? 0 : 1;
      ASSERT_EQ(Find(index, filter), expected) << filter << " in round " << round;
    }
    const int changes = 1 << (random() % 8);
    if (random() % 4 == 0) {
      delete_many(changes);
    } else {
      put_many(changes);
    }
  }
  EXPECT_GT(nonempty, 400U);
  // An answer waits for all changes before it, status does not.
  EXPECT_EQ(Find(index, "added >= 2000").size(), photos.size());
  EXPECT_EQ(index.status().photo_count, photos.size());
  EXPECT_LT(index.status().segment_count, 16U);
}

TEST_F(AttributeIndexTest, StartsAgainWhenTheLogWasCut) {
  Put("a", ItalianPhoto());
  AttributeIndex index(library_.get(), {});
  EXPECT_THAT(Find(index, "iso = 400"), ElementsAre("a"));
  for (int i = 0; i < 50; ++i) Put(absl::StrCat("b", i), ItalianPhoto());
  ASSERT_TRUE(library_->TrimChanges(library_->last_sequence()).ok());
  Put("c", ItalianPhoto());
  EXPECT_EQ(Find(index, "iso = 400").size(), 52U);
}

TEST_F(AttributeIndexTest, ManyReadersBesideWritersAlwaysSeeWholePhotos) {
  AssetRecord even = ItalianPhoto();
  even.mutable_metadata()->set_iso(200);
  AssetRecord odd = ItalianPhoto();
  odd.mutable_metadata()->set_iso(100);
  odd.mutable_metadata()->set_camera_model("Pixel 7");
  for (int i = 0; i < 50; ++i) Put(absl::StrCat("a", i), even);
  AttributeIndex index(library_.get(), {.merge_aside_from = 10});
  std::atomic<bool> done = false;
  std::atomic<int> answers = 0;
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 4; ++reader) {
    readers.emplace_back([&] {
      const auto both = *CompileFilter("(iso = 200 camera = X100V) OR (iso = 100 camera = \"Pixel 7\")");
      const auto mixed = *CompileFilter("(iso = 200 camera = \"Pixel 7\") OR (iso = 100 camera = X100V)");
      while (!done) {
        const auto all = index.Evaluate(both, {});
        ASSERT_TRUE(all.ok()) << all.status();
        EXPECT_EQ(all->photos->Cardinality(), 50U);
        EXPECT_EQ(index.Evaluate(mixed, {})->photos->Cardinality(), 0U);
        ++answers;
      }
    });
  }
  for (int i = 0; i < 300; ++i) Put(absl::StrCat("a", i % 50), i % 3 == 0 ? odd : even);
  done = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(answers, 4);
}

}  // namespace
}  // namespace eidetic::searcher
