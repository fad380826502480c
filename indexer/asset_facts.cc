#include "indexer/asset_facts.h"

#include <exiv2/exiv2.hpp>

#include <array>
#include <cmath>
#include <exception>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "indexer/caption_file.h"

namespace eidetic::indexer {
namespace {

// What cameras write into every picture's description.
constexpr std::array<absl::string_view, 9> kBoilerplate = {"OLYMPUS DIGITAL CAMERA",
                                                           "SONY DSC",
                                                           "DIGITAL CAMERA",
                                                           "DCIM",
                                                           "KONICA MINOLTA DIGITAL CAMERA",
                                                           "SAMSUNG DIGITAL CAMERA",
                                                           "MINOLTA DIGITAL CAMERA",
                                                           "UNTITLED",
                                                           "DEFAULT"};

// Exiv2 keeps global state that must be set up once before threads use it.
void PrepareExiv2() {
  static std::once_flag once;
  std::call_once(once, [] {
    Exiv2::LogMsg::setLevel(Exiv2::LogMsg::mute);
    Exiv2::XmpParser::initialize();
  });
}

const Exiv2::Exifdatum* Find(const Exiv2::ExifData& data, const char* key) {
  const auto found = data.findKey(Exiv2::ExifKey(key));
  return found == data.end() ? nullptr : &*found;
}

std::string Text(const Exiv2::ExifData& data, const char* key) {
  const Exiv2::Exifdatum* datum = Find(data, key);
  // A padded field ends at its first zero byte.
  return datum == nullptr ? "" : CleanCaption(datum->toString().c_str());
}

std::optional<double> Number(const Exiv2::ExifData& data, const char* key, long part = 0) {
  const Exiv2::Exifdatum* datum = Find(data, key);
  if (datum == nullptr || datum->count() <= part) return std::nullopt;
  const Exiv2::Rational rational = datum->toRational(part);
  if (rational.second == 0) return std::nullopt;
  return static_cast<double>(rational.first) / rational.second;
}

// Degrees, minutes and seconds with a hemisphere.
std::optional<double> Coordinate(const Exiv2::ExifData& data, const char* key, const char* reference,
                                 char negative, double limit) {
  const auto degrees = Number(data, key, 0);
  if (!degrees.has_value()) return std::nullopt;
  const double value =
      *degrees + Number(data, key, 1).value_or(0) / 60 + Number(data, key, 2).value_or(0) / 3600;
  if (!(value >= 0 && value <= limit)) return std::nullopt;
  return absl::StartsWith(Text(data, reference), std::string(1, negative)) ? -value : value;
}

// "2023:06:01 12:30:05", with fraction and zone in fields of their own.
std::optional<int64_t> TakenMicros(const Exiv2::ExifData& data) {
  std::string text = Text(data, "Exif.Photo.DateTimeOriginal");
  if (text.empty()) text = Text(data, "Exif.Photo.DateTimeDigitized");
  if (text.empty()) text = Text(data, "Exif.Image.DateTime");
  absl::Time time;
  std::string error;
  const std::string zone = Text(data, "Exif.Photo.OffsetTimeOriginal");
  const bool parsed =
      (!zone.empty() && absl::ParseTime("%Y:%m:%d %H:%M:%S%Ez", text + zone, &time, &error)) ||
      absl::ParseTime("%Y:%m:%d %H:%M:%S", text, &time, &error);
  if (!parsed || time <= absl::FromUnixSeconds(-5'000'000'000)) return std::nullopt;
  double fraction = 0;
  const std::string digits = Text(data, "Exif.Photo.SubSecTimeOriginal");
  if (!digits.empty() && absl::SimpleAtod(absl::StrCat("0.", digits), &fraction) && fraction >= 0 &&
      fraction < 1) {
    time += absl::Seconds(fraction);
  }
  return absl::ToUnixMicros(time);
}

bool IsBoilerplate(const std::string& text) {
  const std::string upper = absl::AsciiStrToUpper(text);
  for (const absl::string_view phrase : kBoilerplate) {
    if (upper == phrase) return true;
  }
  return false;
}

void AddCaption(AssetFacts& facts, eidetic::v1::CaptionSource source, absl::string_view text) {
  const std::string caption = CleanCaption(text);
  if (!caption.empty() && !IsBoilerplate(caption)) facts.captions.emplace_back(source, caption);
}

void ReadExif(const Exiv2::ExifData& data, AssetFacts& facts) {
  eidetic::v1::PhotoMetadata metadata;
  metadata.set_camera_make(Text(data, "Exif.Image.Make"));
  metadata.set_camera_model(Text(data, "Exif.Image.Model"));
  metadata.set_lens_model(Text(data, "Exif.Photo.LensModel"));
  if (const auto iso = Number(data, "Exif.Photo.ISOSpeedRatings");
      iso.has_value() && *iso >= 0 && *iso < 1e8) {
    metadata.set_iso(static_cast<uint32_t>(*iso));
  }
  if (const auto focal = Number(data, "Exif.Photo.FocalLength"); focal.has_value())
    metadata.set_focal_length_mm(*focal);
  if (const auto stop = Number(data, "Exif.Photo.FNumber"); stop.has_value()) metadata.set_f_number(*stop);
  if (const auto time = Number(data, "Exif.Photo.ExposureTime"); time.has_value()) {
    metadata.set_exposure_time_seconds(*time);
  }
  const auto latitude = Coordinate(data, "Exif.GPSInfo.GPSLatitude", "Exif.GPSInfo.GPSLatitudeRef", 'S', 90);
  const auto longitude =
      Coordinate(data, "Exif.GPSInfo.GPSLongitude", "Exif.GPSInfo.GPSLongitudeRef", 'W', 180);
  if (latitude.has_value() && longitude.has_value()) {
    metadata.set_latitude(*latitude);
    metadata.set_longitude(*longitude);
  }
  if (const auto rating = Number(data, "Exif.Image.Rating");
      rating.has_value() && *rating >= -1 && *rating <= 5) {
    metadata.set_rating(static_cast<int32_t>(*rating));
  }
  // What XMP said already wins.
  if (facts.record.metadata().has_rating()) metadata.clear_rating();
  if (metadata.ByteSizeLong() > 0) facts.record.mutable_metadata()->MergeFrom(metadata);
  if (const auto taken = TakenMicros(data); taken.has_value()) facts.record.set_taken_time_micros(*taken);
  std::string description = Text(data, "Exif.Image.ImageDescription");
  if (description.empty() || IsBoilerplate(description)) {
    if (const Exiv2::Exifdatum* comment = Find(data, "Exif.Photo.UserComment"); comment != nullptr) {
      const auto* value = dynamic_cast<const Exiv2::CommentValue*>(&comment->value());
      if (value != nullptr) description = value->comment();
    }
  }
  AddCaption(facts, eidetic::v1::CAPTION_SOURCE_EXIF, description.c_str());
}

std::string XmpText(const Exiv2::XmpData& data, const char* key) {
  const auto found = data.findKey(Exiv2::XmpKey(key));
  return found == data.end() ? "" : CleanCaption(found->toString());
}

void ReadXmpPlace(const Exiv2::XmpData& data, eidetic::v1::PhotoMetadata& metadata) {
  metadata.set_sublocation(XmpText(data, "Xmp.iptc.Location"));
  metadata.set_city(XmpText(data, "Xmp.photoshop.City"));
  metadata.set_state(XmpText(data, "Xmp.photoshop.State"));
  metadata.set_country(XmpText(data, "Xmp.photoshop.Country"));
}

// The items of the lists under `keys`, levels parted by "/", sorted.
std::set<std::string> XmpItems(const Exiv2::XmpData& data, std::initializer_list<const char*> keys) {
  std::set<std::string> items;
  for (const char* key : keys) {
    const auto found = data.findKey(Exiv2::XmpKey(key));
    if (found == data.end()) continue;
    for (long i = 0; i < found->count(); ++i) {
      items.insert(absl::StrReplaceAll(CleanCaption(found->toString(i)), {{"|", "/"}}));
    }
  }
  items.erase("");
  return items;
}

void ReadXmpLists(const Exiv2::XmpData& data, eidetic::v1::PhotoMetadata& metadata) {
  for (const std::string& tag : XmpItems(data, {"Xmp.lr.hierarchicalSubject", "Xmp.digiKam.TagsList",
                                                "Xmp.MicrosoftPhoto.LastKeywordXMP"})) {
    metadata.add_hierarchical_tags(tag);
  }
  for (const std::string& album : XmpItems(data, {"Xmp.mediapro.CatalogSets", "Xmp.xmpDM.album"})) {
    metadata.add_albums(album);
  }
}

void ReadXmp(const Exiv2::XmpData& data, AssetFacts& facts, std::set<std::string>& tags) {
  const auto find = [&data](const char* key) -> const Exiv2::Xmpdatum* {
    const auto found = data.findKey(Exiv2::XmpKey(key));
    return found == data.end() ? nullptr : &*found;
  };
  if (const Exiv2::Xmpdatum* description = find("Xmp.dc.description"); description != nullptr) {
    const auto* languages = dynamic_cast<const Exiv2::LangAltValue*>(&description->value());
    AddCaption(facts, eidetic::v1::CAPTION_SOURCE_XMP,
               languages != nullptr ? languages->toString("x-default") : description->toString());
  }
  if (const Exiv2::Xmpdatum* rating = find("Xmp.xmp.Rating"); rating != nullptr) {
    int stars = 0;
    if (absl::SimpleAtoi(rating->toString(), &stars) && stars >= -1 && stars <= 5) {
      facts.record.mutable_metadata()->set_rating(stars);
    }
  }
  if (const Exiv2::Xmpdatum* subject = find("Xmp.dc.subject"); subject != nullptr) {
    for (long i = 0; i < subject->count(); ++i) tags.insert(CleanCaption(subject->toString(i)));
  }
  ReadXmpPlace(data, *facts.record.mutable_metadata());
  ReadXmpLists(data, *facts.record.mutable_metadata());
}

void ReadIptc(const Exiv2::IptcData& data, AssetFacts& facts, std::set<std::string>& tags) {
  const auto caption = data.findKey(Exiv2::IptcKey("Iptc.Application2.Caption"));
  if (caption != data.end()) AddCaption(facts, eidetic::v1::CAPTION_SOURCE_IPTC, caption->toString());
  for (const Exiv2::Iptcdatum& datum : data) {
    if (datum.key() == "Iptc.Application2.Keywords") tags.insert(CleanCaption(datum.toString()));
  }
  // What XMP said already wins.
  eidetic::v1::PhotoMetadata& metadata = *facts.record.mutable_metadata();
  const auto fill = [&data](const char* key, std::string* place) {
    const auto found = data.findKey(Exiv2::IptcKey(key));
    if (place->empty() && found != data.end()) *place = CleanCaption(found->toString());
  };
  fill("Iptc.Application2.SubLocation", metadata.mutable_sublocation());
  fill("Iptc.Application2.City", metadata.mutable_city());
  fill("Iptc.Application2.ProvinceState", metadata.mutable_state());
  fill("Iptc.Application2.CountryName", metadata.mutable_country());
}

}  // namespace

AssetFacts ReadAssetFacts(std::span<const uint8_t> bytes, const encoder::ImageInfo& info) {
  AssetFacts facts;
  facts.record.set_width(static_cast<uint32_t>(info.width));
  facts.record.set_height(static_cast<uint32_t>(info.height));
  facts.record.set_media_type(std::string(encoder::MediaType(info.format)));
  facts.record.set_size_bytes(bytes.size());
  PrepareExiv2();
  try {
    const Exiv2::Image::AutoPtr image =
        Exiv2::ImageFactory::open(bytes.data(), static_cast<long>(bytes.size()));
    image->readMetadata();
    std::set<std::string> tags;
    ReadXmp(image->xmpData(), facts, tags);
    ReadIptc(image->iptcData(), facts, tags);
    ReadExif(image->exifData(), facts);
    tags.erase("");
    for (const std::string& tag : tags) facts.record.mutable_metadata()->add_tags(tag);
    if (facts.record.metadata().ByteSizeLong() == 0) facts.record.clear_metadata();
  } catch (const std::exception&) {
    // Formats that Exiv2 does not know, and damaged metadata: the picture is
    // kept with what was read until then.
  }
  return facts;
}

}  // namespace eidetic::indexer
