#include "encoder/image_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "encoder/exif_orientation.h"
#include "tests/encoder/image_goldens.h"

namespace eidetic::encoder {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<uint8_t> BytesOf(absl::string_view text) { return {text.begin(), text.end()}; }

void AppendNumber(std::vector<uint8_t>& bytes, uint32_t value, int count, bool big_endian) {
  for (int i = 0; i < count; ++i) {
    bytes.push_back(static_cast<uint8_t>(value >> 8 * (big_endian ? count - 1 - i : i)));
  }
}

TEST(ImageDecoderTest, DecodesEveryFormatAsPillowDoes) {
  const nlohmann::json goldens = ReadGoldens("pictures");
  ASSERT_GE(goldens.size(), 60u);
  for (const nlohmann::json& golden : goldens) {
    const std::string name = golden["file"];
    SCOPED_TRACE(name);
    const std::vector<uint8_t> bytes = ReadPicture(name);
    ASSERT_FALSE(bytes.empty());
    const absl::StatusOr<ImageInfo> info = ReadImageInfo(bytes, {});
    const absl::StatusOr<Image> image = DecodeImage(bytes, {});
    ASSERT_TRUE(info.ok()) << info.status();
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_EQ(info->width, golden["size"][0].get<int>());
    EXPECT_EQ(info->height, golden["size"][1].get<int>());
    ASSERT_EQ(image->width, info->width);
    ASSERT_EQ(image->height, info->height);
    ASSERT_EQ(image->pixels.size(), image->row_bytes() * static_cast<size_t>(image->height));
    EXPECT_TRUE(HasImageExtension(name));
    if (!golden.contains("tolerance")) {
      EXPECT_EQ(Sha256(*image), golden["sha256"].get<std::string>());
      continue;
    }
    std::string expected;
    ASSERT_TRUE(absl::Base64Unescape(golden["pixels"].get<std::string>(), &expected));
    ASSERT_EQ(expected.size(), image->pixels.size());
    int worst = 0;
    double sum = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      const int difference = std::abs(image->pixels[i] - static_cast<uint8_t>(expected[i]));
      worst = std::max(worst, difference);
      sum += difference;
    }
    // Lossy codecs differ at sharp edges by how they enlarge the colour planes.
    const int tolerance = golden["tolerance"];
    if (tolerance <= 1) {
      EXPECT_LE(worst, tolerance);
    }
    EXPECT_LE(sum / static_cast<double>(expected.size()), tolerance);
  }
}

TEST(ImageDecoderTest, TellsTheFormatFromTheBytes) {
  const std::pair<const char*, ImageFormat> files[] = {
      {"rgb_420.jpg", ImageFormat::kJpeg}, {"rgb.png", ImageFormat::kPng},
      {"lossy.webp", ImageFormat::kWebp},  {"palette.gif", ImageFormat::kGif},
      {"rgb.bmp", ImageFormat::kBmp},      {"raw.tif", ImageFormat::kTiff},
      {"rgb.ppm", ImageFormat::kPnm},      {"lossy.avif", ImageFormat::kAvif},
      {"lossy.heic", ImageFormat::kHeic}};
  for (const auto& [file, format] : files) {
    const absl::StatusOr<ImageInfo> info = ReadImageInfo(ReadPicture(file), {});
    ASSERT_TRUE(info.ok()) << file << info.status();
    EXPECT_EQ(info->format, format) << file;
    EXPECT_THAT(std::string(MediaType(format)), StartsWith("image/"));
  }
}

TEST(ImageDecoderTest, KnowsImageExtensions) {
  for (const char* name :
       {"a.jpg", "A.JPEG", "b/c.Png", "x.tar.webp", "f.heic", "f.avif", "g.tiff", "h.pgm"}) {
    EXPECT_TRUE(HasImageExtension(name)) << name;
  }
  for (const char* name : {"", "jpg", ".jpg", "a.jpg.txt", "dir.jpg/file", "a.", "a.mp4", "a.xmp"}) {
    EXPECT_FALSE(HasImageExtension(name)) << name;
  }
}

TEST(ImageDecoderTest, RefusesWhatIsNotAPicture) {
  EXPECT_EQ(DecodeImage({}, {}).status(), absl::InvalidArgumentError("the file is empty"));
  for (const char* text :
       {"x", "BM", "P7", "P61", "hello world, this is no picture", "RIFF1234WAVEfmt ", "GIF88a"}) {
    const absl::Status status = DecodeImage(BytesOf(text), {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("not a picture in a format that Eidetic reads"))
        << text;
  }
}

TEST(ImageDecoderTest, NamesFormatsItKnowsButDoesNotRead) {
  const std::pair<absl::string_view, const char*> files[] = {
      {"%PDF-1.7", "PDF"},
      {"8BPS....", "Photoshop"},
      {"<svg xmlns='x'>", "SVG"},
      {"<?xml version='1.0'?>\n<!-- c -->\n<svg>", "SVG"},
      {absl::string_view("\0\0\0\x0CjP  \r\n\x87\n", 12), "JPEG 2000"},
      {"\xFF\x0A....", "JPEG XL"},
      {absl::string_view("\0\0\0\x20"
                         "ftypisom\0\0\0\0",
                         16),
       "MP4"},
      {absl::string_view("II*\0\x10\0\0\0CR\x02\0", 12), "Canon RAW"},
      {"\x1A\x45\xDF\xA3....", "Matroska"}};
  for (const auto& [bytes, name] : files) {
    const absl::Status status = ReadImageInfo(BytesOf(bytes), {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
  }
}

TEST(ImageDecoderTest, ShrinksOnlyJpegAndOnlyAsFarAsAllowed) {
  const std::vector<uint8_t> jpeg = ReadPicture("rgb_444.jpg");  // 46 x 32
  const std::tuple<int, int, int> sizes[] = {{0, 46, 32},  {33, 46, 32}, {32, 46, 32},
                                             {17, 46, 32}, {16, 23, 16}, {9, 23, 16},
                                             {8, 12, 8},   {4, 6, 4},    {1, 6, 4}};
  for (const auto& [min_short_side, width, height] : sizes) {
    const absl::StatusOr<Image> image = DecodeImage(jpeg, {.min_short_side = min_short_side});
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_EQ(image->width, width) << min_short_side;
    EXPECT_EQ(image->height, height) << min_short_side;
    EXPECT_EQ(image->pixels.size(), static_cast<size_t>(width * height * 3));
  }
  const absl::StatusOr<Image> turned = DecodeImage(ReadPicture("orientation_6.jpg"), {.min_short_side = 10});
  ASSERT_TRUE(turned.ok());
  EXPECT_EQ(turned->width, 16);
  EXPECT_EQ(turned->height, 23);
  const absl::StatusOr<Image> png = DecodeImage(ReadPicture("rgb.png"), {.min_short_side = 1});
  ASSERT_TRUE(png.ok());
  EXPECT_EQ(png->width, 45);
}

TEST(ImageDecoderTest, KeepsTheLimits) {
  for (const nlohmann::json& golden : ReadGoldens("pictures")) {
    const std::string name = golden["file"];
    const std::vector<uint8_t> bytes = ReadPicture(name);
    const uint64_t pixels = golden["size"][0].get<uint64_t>() * golden["size"][1].get<uint64_t>();
    for (const DecodeOptions options :
         {DecodeOptions{.max_pixels = pixels - 1}, DecodeOptions{.max_file_bytes = bytes.size() - 1}}) {
      EXPECT_EQ(DecodeImage(bytes, options).status().code(), absl::StatusCode::kResourceExhausted) << name;
      EXPECT_EQ(ReadImageInfo(bytes, options).status().code(), absl::StatusCode::kResourceExhausted) << name;
    }
    EXPECT_TRUE(DecodeImage(bytes, {.max_file_bytes = bytes.size(), .max_pixels = pixels}).ok()) << name;
  }
}

// Patches the size in a file's header.
std::vector<uint8_t> WithSize(const std::string& name, size_t width_at, size_t height_at, uint32_t side,
                              int count, bool big_endian) {
  std::vector<uint8_t> bytes = ReadPicture(name);
  for (const size_t at : {width_at, height_at}) {
    std::vector<uint8_t> number;
    AppendNumber(number, side, count, big_endian);
    std::copy(number.begin(), number.end(), bytes.begin() + static_cast<ptrdiff_t>(at));
  }
  return bytes;
}

TEST(ImageDecoderTest, RefusesHugeSizesFromTheHeader) {
  std::vector<std::vector<uint8_t>> files;
  for (const uint32_t side : {60'000u, 65'536u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
    files.push_back(WithSize("rgb.png", 16, 20, side, 4, true));
    if (side < 0x80000000u) files.push_back(WithSize("rgb.bmp", 18, 22, side, 4, false));
    files.push_back(BytesOf(absl::StrCat("P6\n", side, " ", side, "\n255\nxxxxxxxx")));
  }
  files.push_back(BytesOf("P5 99999999999999999999999 99999999999999999999999 255 "));
  files.push_back(WithSize("palette.gif", 6, 8, 65'535, 2, false));
  std::vector<uint8_t> jpeg = ReadPicture("rgb_444.jpg");
  const uint8_t start_of_frame[] = {0xFF, 0xC0};
  const auto frame =
      std::search(jpeg.begin(), jpeg.end(), std::begin(start_of_frame), std::end(start_of_frame));
  ASSERT_NE(frame, jpeg.end());
  std::fill(frame + 5, frame + 9, uint8_t{0xFF});
  std::fill(frame + 6, frame + 7, uint8_t{0xDC});
  std::fill(frame + 8, frame + 9, uint8_t{0xDC});  // 65,500: libjpeg's own limit
  files.push_back(jpeg);
  std::vector<uint8_t> tiff = BytesOf(absl::string_view("II*\0\x08\0\0\0\x04\0", 10));
  for (const uint32_t tag : {256u, 257u, 273u, 279u}) {
    AppendNumber(tiff, tag, 2, false);
    AppendNumber(tiff, 4, 2, false);
    AppendNumber(tiff, 1, 4, false);
    AppendNumber(tiff, tag < 260 ? 0x7FFFFFFF : 8, 4, false);
  }
  AppendNumber(tiff, 0, 4, false);
  files.push_back(tiff);
  for (const std::vector<uint8_t>& file : files) {
    const absl::Status status = DecodeImage(file, {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_EQ(ReadImageInfo(file, {}).status().code(), absl::StatusCode::kResourceExhausted);
  }
}

TEST(ImageDecoderTest, RefusesEmptyPictures) {
  for (const std::vector<uint8_t>& file :
       {WithSize("rgb.png", 16, 20, 0, 4, true), WithSize("rgb.bmp", 18, 22, 0, 4, false),
        BytesOf("P6\n0 0\n255\nx"), BytesOf("P4 0 5 x")}) {
    EXPECT_EQ(DecodeImage(file, {}).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(ImageDecoderTest, RefusesProgressiveJpegWithThousandsOfScans) {
  std::vector<uint8_t> bytes = ReadPicture("progressive.jpg");
  const uint8_t start_of_scan[] = {0xFF, 0xDA};
  const auto first =
      std::search(bytes.begin(), bytes.end(), std::begin(start_of_scan), std::end(start_of_scan));
  ASSERT_NE(first, bytes.end());
  const auto second = std::search(first + 2, bytes.end(), std::begin(start_of_scan), std::end(start_of_scan));
  ASSERT_NE(second, bytes.end());
  const std::vector<uint8_t> scan(first, second);
  std::vector<uint8_t> bomb(bytes.begin(), first);
  for (int i = 0; i < 3000; ++i) bomb.insert(bomb.end(), scan.begin(), scan.end());
  bomb.insert(bomb.end(), {0xFF, 0xD9});
  const absl::Status status = DecodeImage(bomb, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("scans"));
}

TEST(ImageDecoderTest, TruncatedFilesAreErrorsThatNameTheFormat) {
  for (const nlohmann::json& golden : ReadGoldens("pictures")) {
    const std::string name = golden["file"];
    const std::vector<uint8_t> bytes = ReadPicture(name);
    for (size_t part = 0; part < 16; ++part) {
      const absl::StatusOr<Image> image = DecodeImage(std::span(bytes).first(bytes.size() * part / 16), {});
      // What lies behind the first picture (pages, frames, profiles) may miss.
      const bool whole_without = absl::StartsWith(name, "animated.gif") || absl::StartsWith(name, "pages") ||
                                 absl::EndsWith(name, ".tif");
      if (!image.ok()) {
        EXPECT_THAT(image.status().code(),
                    AnyOf(absl::StatusCode::kInvalidArgument, absl::StatusCode::kUnimplemented))
            << name << " " << part << image.status();
      } else {
        EXPECT_TRUE(whole_without && part > 2 && Sha256(*image) == golden["sha256"].get<std::string>())
            << name << " cut at " << part << "/16 was accepted";
      }
    }
  }
}

TEST(ImageDecoderTest, DamagedBytesNeverCrash) {
  uint32_t state = 99;
  const auto next = [&state] { return (state = state * 1664525u + 1013904223u) >> 8; };
  int decoded = 0;
  int refused = 0;
  for (const nlohmann::json& golden : ReadGoldens("pictures")) {
    const std::vector<uint8_t> bytes = ReadPicture(golden["file"]);
    for (int round = 0; round < 300; ++round) {
      std::vector<uint8_t> damaged = bytes;
      // Half of the rounds hit the header, where lies do most harm.
      const size_t reach = round % 2 == 0 ? damaged.size() : std::min<size_t>(damaged.size(), 128);
      for (uint32_t flips = 1 + next() % 4; flips > 0; --flips) {
        damaged[next() % reach] ^= static_cast<uint8_t>(1 << next() % 8);
      }
      const absl::StatusOr<Image> image = DecodeImage(damaged, {.max_pixels = 1'000'000});
      if (image.ok()) {
        ++decoded;
        ASSERT_EQ(image->pixels.size(), image->row_bytes() * static_cast<size_t>(image->height));
      } else {
        ++refused;
        ASSERT_FALSE(image.status().message().empty());
      }
    }
  }
  EXPECT_GT(decoded, 0);
  EXPECT_GT(refused, 0);
}

TEST(ImageDecoderTest, WritesNothingToStderr) {
  testing::internal::CaptureStderr();
  for (const nlohmann::json& golden : ReadGoldens("pictures")) {
    const std::vector<uint8_t> bytes = ReadPicture(golden["file"]);
    for (size_t cut = 0; cut < bytes.size(); cut += 97) {
      (void)DecodeImage(std::span(bytes).first(cut), {}).ok();
      std::vector<uint8_t> damaged = bytes;
      damaged[cut] ^= 0x5A;
      (void)DecodeImage(damaged, {.max_pixels = 1'000'000}).ok();
    }
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(ImageDecoderTest, ThreadsDecodeAtOnce) {
  const nlohmann::json goldens = ReadGoldens("pictures");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&goldens, &wrong, t] {
      for (const nlohmann::json& golden : goldens) {
        const absl::StatusOr<Image> image = DecodeImage(ReadPicture(golden["file"]), {});
        if (!image.ok() || (!golden.contains("tolerance") && Sha256(*image) != golden["sha256"])) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, testing::Each(0));
}

TEST(ExifOrientationTest, ReadsBothByteOrdersAndSurvivesDamage) {
  for (const bool big_endian : {false, true}) {
    std::vector<uint8_t> exif =
        BytesOf(big_endian ? absl::string_view("MM\0*", 4) : absl::string_view("II*\0", 4));
    AppendNumber(exif, 8, 4, big_endian);
    AppendNumber(exif, 2, 2, big_endian);
    for (const uint32_t tag : {0x010Fu, 0x0112u}) {
      AppendNumber(exif, tag, 2, big_endian);
      AppendNumber(exif, 3, 2, big_endian);
      AppendNumber(exif, 1, 4, big_endian);
      AppendNumber(exif, 7, 2, big_endian);
      AppendNumber(exif, 0, 2, big_endian);
    }
    EXPECT_EQ(ReadExifOrientation(exif), 7);
    for (size_t cut = 0; cut < exif.size(); ++cut)
      EXPECT_EQ(ReadExifOrientation(std::span(exif).first(cut)), 1);
    std::vector<uint8_t> far = exif;
    std::fill(far.begin() + 4, far.begin() + 8, uint8_t{0xFF});
    EXPECT_EQ(ReadExifOrientation(far), 1);
    std::vector<uint8_t> out_of_range = exif;
    out_of_range[big_endian ? 31 : 30] = 9;
    EXPECT_EQ(ReadExifOrientation(out_of_range), 1);
  }
}

}  // namespace
}  // namespace eidetic::encoder
