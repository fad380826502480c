#include "indexer/asset_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <exiv2/exiv2.hpp>

#include <functional>
#include <random>
#include <string>

#include "encoder/file_contents.h"

namespace eidetic::indexer {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::string Picture(const std::string& name) {
  const auto bytes = encoder::ReadFileContents(
      std::string(EIDETIC_SOURCE_DIR) + "/tests/encoder/testdata/pictures/" + name, 1 << 20);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return *bytes;
}

// A picture with metadata that `edit` writes.
std::string WithMetadata(const std::function<void(Exiv2::Image&)>& edit,
                         const std::string& name = "rgb_420.jpg") {
  const std::string bytes = Picture(name);
  auto image = Exiv2::ImageFactory::open(reinterpret_cast<const Exiv2::byte*>(bytes.data()),
                                         static_cast<long>(bytes.size()));
  image->readMetadata();
  edit(*image);
  image->writeMetadata();
  Exiv2::BasicIo& io = image->io();
  io.open();
  const Exiv2::DataBuf buffer = io.read(static_cast<long>(io.size()));
  return {reinterpret_cast<const char*>(buffer.pData_), static_cast<size_t>(buffer.size_)};
}

AssetFacts Facts(const std::string& bytes) {
  return ReadAssetFacts({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                        {.format = encoder::ImageFormat::kJpeg, .width = 40, .height = 30});
}

TEST(AssetFactsTest, APictureWithoutMetadataHasItsSizeAndNoMore) {
  const std::string bytes = Picture("rgb_420.jpg");
  const AssetFacts facts = Facts(bytes);
  EXPECT_EQ(facts.record.width(), 40U);
  EXPECT_EQ(facts.record.height(), 30U);
  EXPECT_EQ(facts.record.media_type(), "image/jpeg");
  EXPECT_EQ(facts.record.size_bytes(), bytes.size());
  EXPECT_FALSE(facts.record.has_taken_time_micros());
  EXPECT_FALSE(facts.record.has_metadata());
  EXPECT_THAT(facts.captions, IsEmpty());
}

TEST(AssetFactsTest, ReadsWhatTheCameraWrote) {
  const AssetFacts facts = Facts(WithMetadata([](Exiv2::Image& image) {
    Exiv2::ExifData& exif = image.exifData();
    exif["Exif.Image.Make"] = "Fuji";
    exif["Exif.Image.Model"] = "X100V";
    exif["Exif.Photo.ISOSpeedRatings"] = uint16_t{400};
    exif["Exif.Photo.FNumber"] = Exiv2::Rational(28, 10);
    exif["Exif.Photo.FocalLength"] = Exiv2::Rational(23, 1);
    exif["Exif.Photo.ExposureTime"] = Exiv2::Rational(1, 250);
    exif["Exif.Photo.DateTimeOriginal"] = "2023:06:01 12:30:05";
    exif["Exif.Photo.SubSecTimeOriginal"] = "25";
    exif["Exif.Photo.OffsetTimeOriginal"] = "+02:00";
    exif["Exif.GPSInfo.GPSLatitude"] = "43/1 30/1 0/1";
    exif["Exif.GPSInfo.GPSLatitudeRef"] = "S";
    exif["Exif.GPSInfo.GPSLongitude"] = "11/1 15/1 36/1";
    exif["Exif.GPSInfo.GPSLongitudeRef"] = "E";
  }));
  const eidetic::v1::PhotoMetadata& metadata = facts.record.metadata();
  EXPECT_EQ(metadata.camera_make(), "Fuji");
  EXPECT_EQ(metadata.camera_model(), "X100V");
  EXPECT_EQ(metadata.iso(), 400U);
  EXPECT_DOUBLE_EQ(metadata.f_number(), 2.8);
  EXPECT_DOUBLE_EQ(metadata.focal_length_mm(), 23);
  EXPECT_DOUBLE_EQ(metadata.exposure_time_seconds(), 0.004);
  EXPECT_DOUBLE_EQ(metadata.latitude(), -43.5);
  EXPECT_DOUBLE_EQ(metadata.longitude(), 11.26);
  // 10:30:05.25 UTC.
  EXPECT_EQ(facts.record.taken_time_micros(), 1'685'615'405'250'000);
}

TEST(AssetFactsTest, DescriptionsComeFromEverySourceAndBoilerplateFromNone) {
  const AssetFacts facts = Facts(WithMetadata([](Exiv2::Image& image) {
    image.exifData()["Exif.Image.ImageDescription"] = "  from exif  ";
    image.iptcData()["Iptc.Application2.Caption"] = "from iptc";
    image.iptcData().add(Exiv2::IptcKey("Iptc.Application2.Keywords"),
                         Exiv2::Value::create(Exiv2::string).get());
    image.iptcData()["Iptc.Application2.Keywords"] = "beach";
    image.xmpData()["Xmp.dc.description"] = "lang=x-default from xmp";
    image.xmpData()["Xmp.dc.subject"] = "dog";
    image.xmpData()["Xmp.xmp.Rating"] = "4";
  }));
  EXPECT_THAT(facts.captions, UnorderedElementsAre(Pair(eidetic::v1::CAPTION_SOURCE_EXIF, "from exif"),
                                                   Pair(eidetic::v1::CAPTION_SOURCE_IPTC, "from iptc"),
                                                   Pair(eidetic::v1::CAPTION_SOURCE_XMP, "from xmp")));
  EXPECT_THAT(facts.record.metadata().tags(), ElementsAre("beach", "dog"));
  EXPECT_EQ(facts.record.metadata().rating(), 4);

  for (const char* nothing : {"OLYMPUS DIGITAL CAMERA", "   ", "Sony DSC"}) {
    const AssetFacts empty = Facts(WithMetadata(
        [&](Exiv2::Image& image) { image.exifData()["Exif.Image.ImageDescription"] = nothing; }));
    EXPECT_THAT(empty.captions, IsEmpty()) << nothing;
  }
}

TEST(AssetFactsTest, PlacesAlbumsAndTagsWithLevelsComeFromXmpAndIptc) {
  const AssetFacts facts = Facts(WithMetadata([](Exiv2::Image& image) {
    image.xmpData()["Xmp.photoshop.City"] = "Rome";
    image.xmpData()["Xmp.lr.hierarchicalSubject"] = "Places|Italy|Rome";
    image.xmpData()["Xmp.digiKam.TagsList"] = "People/Anna";
    image.xmpData()["Xmp.mediapro.CatalogSets"] = "Holidays|2023";
    image.iptcData()["Iptc.Application2.City"] = "Roma";
    image.iptcData()["Iptc.Application2.CountryName"] = "Italy";
    image.iptcData()["Iptc.Application2.SubLocation"] = " Trastevere ";
  }));
  const eidetic::v1::PhotoMetadata& metadata = facts.record.metadata();
  EXPECT_EQ(metadata.city(), "Rome");
  EXPECT_EQ(metadata.country(), "Italy");
  EXPECT_EQ(metadata.sublocation(), "Trastevere");
  EXPECT_EQ(metadata.state(), "");
  EXPECT_THAT(metadata.hierarchical_tags(), ElementsAre("People/Anna", "Places/Italy/Rome"));
  EXPECT_THAT(metadata.albums(), ElementsAre("Holidays/2023"));
  EXPECT_FALSE(Facts(WithMetadata([](Exiv2::Image&) {})).record.has_metadata());
}

TEST(AssetFactsTest, OddMetadataIsLeftOut) {
  const AssetFacts facts = Facts(WithMetadata([](Exiv2::Image& image) {
    Exiv2::ExifData& exif = image.exifData();
    exif["Exif.Photo.DateTimeOriginal"] = "0000:00:00 00:00:00";
    exif["Exif.Photo.FNumber"] = Exiv2::Rational(1, 0);
    exif["Exif.GPSInfo.GPSLatitude"] = "4300/1 0/1 0/1";
    exif["Exif.GPSInfo.GPSLatitudeRef"] = "N";
    exif["Exif.GPSInfo.GPSLongitude"] = "11/1 0/1 0/1";
    exif["Exif.GPSInfo.GPSLongitudeRef"] = "E";
  }));
  EXPECT_FALSE(facts.record.has_taken_time_micros());
  EXPECT_FALSE(facts.record.metadata().has_f_number());
  EXPECT_FALSE(facts.record.metadata().has_latitude());
}

TEST(AssetFactsTest, DamagedBytesNeverCrash) {
  const std::string whole = WithMetadata([](Exiv2::Image& image) {
    image.exifData()["Exif.Image.ImageDescription"] = "text";
    image.xmpData()["Xmp.dc.subject"] = "dog";
    image.iptcData()["Iptc.Application2.Caption"] = "text";
  });
  std::mt19937 generator(1);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = whole;
    for (int flips = 0; flips < 4; ++flips)
      damaged[generator() % 600] ^= static_cast<char>(1 << (generator() % 8));
    EXPECT_EQ(Facts(damaged).record.width(), 40U);
    EXPECT_EQ(Facts(whole.substr(0, generator() % whole.size())).record.width(), 40U);
  }
}

}  // namespace
}  // namespace eidetic::indexer
