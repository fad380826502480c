// How much memory the attribute index takes for a photo: makes records as a
// camera's owner has them (folders by month, two cameras, GPS on half of them, a
// few tags and albums), inverts them as the index does, and prints bytes a photo.
//
//   build/bench/attribute_index_memory [PHOTOS]      (200,000 when left out)

#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "searcher/attribute_row.h"
#include "searcher/attribute_segment.h"

namespace eidetic::searcher {
namespace {

constexpr int64_t kMicrosPerSecond = 1'000'000;
constexpr uint32_t kPhotosPerFolder = 150;
constexpr uint32_t kFoldersPerYear = 12;

storage::v1::AssetRecord MakeRecord(uint32_t number, std::minstd_rand& random) {
  const bool phone = random() % 2 == 0;
  const uint32_t folder = number / kPhotosPerFolder;
  storage::v1::AssetRecord record;
  record.set_ordinal(number);
  record.add_paths(absl::StrFormat("/home/someone/Pictures/%d/%02d/%s%06d.jpg",
                                   2010 + folder / kFoldersPerYear, 1 + folder % kFoldersPerYear,
                                   phone ? "IMG_" : "DSCF", number));
  record.set_width(phone ? 4'032 : 6'000);
  record.set_height(phone ? 3'024 : 4'000);
  record.set_media_type("image/jpeg");
  record.set_size_bytes(2'000'000 + random() % 8'000'000);
  record.set_create_time_micros(1'700'000'000 * kMicrosPerSecond + number);
  record.set_taken_time_micros((1'262'304'000 + int64_t{number} * 1'800) * kMicrosPerSecond);
  v1::PhotoMetadata& metadata = *record.mutable_metadata();
  metadata.set_camera_make(phone ? "Google" : "FUJIFILM");
  metadata.set_camera_model(phone ? "Pixel 6" : "X-T3");
  metadata.set_lens_model(phone ? "back camera 6.8mm" : absl::StrCat("XF lens ", random() % 4));
  metadata.set_iso(100U << (random() % 6));
  metadata.set_f_number(1.8 + 0.1 * (random() % 60));
  metadata.set_focal_length_mm(10 + random() % 90);
  metadata.set_exposure_time_seconds(1.0 / (30 + random() % 2'000));
  if (phone) {
    metadata.set_latitude(45 + 1e-6 * (random() % 5'000'000));
    metadata.set_longitude(7 + 1e-6 * (random() % 8'000'000));
  }
  for (uint32_t i = random() % 4; i > 0; --i) metadata.add_tags(absl::StrCat("tag ", random() % 300));
  if (random() % 3 == 0) metadata.add_albums(absl::StrCat("album ", folder / 3));
  metadata.set_rating(static_cast<int32_t>(random() % 6));
  return record;
}

int Run(uint32_t photos) {
  std::minstd_rand random(1);
  AttributeSegment::Builder builder;
  for (uint32_t number = 0; number < photos; ++number) {
    builder.AddRow(MakeAttributeRow(MakeRecord(number, random), /*has_caption=*/number % 10 == 0));
  }
  const size_t while_read = builder.memory_bytes();
  const std::shared_ptr<const AttributeSegment> segment = std::move(builder).Build();
  std::printf("%u photos: %.0f bytes a photo while they are read, %.0f when done\n", photos,
              static_cast<double>(while_read) / photos,
              static_cast<double>(segment->memory_bytes()) / photos);
  return 0;
}

}  // namespace
}  // namespace eidetic::searcher

int main(int argc, char** argv) {
  uint32_t photos = 200'000;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &photos) || photos == 0))) {
    std::fprintf(stderr, "Usage: attribute_index_memory [PHOTOS]\n");
    return 2;
  }
  return eidetic::searcher::Run(photos);
}
