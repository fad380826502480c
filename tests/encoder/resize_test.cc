#include "encoder/resize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "encoder/resize_kernels.h"
#include "tests/encoder/image_goldens.h"

namespace eidetic::encoder {
namespace {

using ::testing::HasSubstr;

constexpr Resample kAllFilters[] = {Resample::kNearest, Resample::kLanczos, Resample::kBilinear,
                                    Resample::kBicubic, Resample::kBox,     Resample::kHamming};

TEST(ResizeTest, IsPillowsBitForBit) {
  const nlohmann::json goldens = ReadGoldens("resizes");
  ASSERT_GE(goldens.size(), 60u);
  for (const nlohmann::json& golden : goldens) {
    SCOPED_TRACE(golden.dump());
    const Image source = MakePattern(golden["from"][0], golden["from"][1]);
    const absl::StatusOr<Image> result =
        Resize(source, golden["to"][0], golden["to"][1], static_cast<Resample>(golden["filter"].get<int>()));
    ASSERT_TRUE(result.ok()) << result.status();
    if (golden.contains("pixels")) {
      EXPECT_EQ(result->pixels, golden["pixels"].get<std::vector<uint8_t>>());
    }
    EXPECT_EQ(Sha256(*result), golden["sha256"].get<std::string>());
  }
}

TEST(ResizeTest, WindowIsACropOfTheWhole) {
  const Image source = MakePattern(90, 70);
  for (const Resample filter : kAllFilters) {
    const Image whole = *Resize(source, 47, 53, filter);
    for (const ResizeWindow window : {ResizeWindow{0, 0, 47, 53}, ResizeWindow{5, 9, 30, 31},
                                      ResizeWindow{46, 52, 1, 1}, ResizeWindow{0, 20, 47, 2}}) {
      const absl::StatusOr<Image> part = ResizeToWindow(source, 47, 53, filter, window);
      ASSERT_TRUE(part.ok()) << part.status();
      ASSERT_EQ(part->width, window.width);
      ASSERT_EQ(part->height, window.height);
      for (int y = 0; y < window.height; ++y) {
        EXPECT_EQ(0, std::memcmp(part->pixels.data() + part->row_bytes() * y,
                                 whole.pixels.data() + whole.row_bytes() * (window.top + y) + 3 * window.left,
                                 part->row_bytes()));
      }
    }
  }
}

TEST(ResizeTest, WindowOfTheSameSizeIsCopied) {
  const Image source = MakePattern(20, 10);
  const Image part = *ResizeToWindow(source, 20, 10, Resample::kBicubic, {3, 2, 5, 4});
  EXPECT_EQ(0, std::memcmp(part.pixels.data(), source.pixels.data() + 3 * (20 * 2 + 3), 15));
}

TEST(ResizeTest, RefusesWhatItCannotDo) {
  const Image source = MakePattern(8, 8);
  for (const auto& [width, height] : {std::pair{0, 5}, {5, 0}, {-1, 5}, {5, 32'769}}) {
    EXPECT_EQ(Resize(source, width, height, Resample::kBicubic).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  Image lying = source;
  lying.pixels.pop_back();
  EXPECT_THAT(Resize(lying, 4, 4, Resample::kBicubic).status().message(), HasSubstr("191 bytes"));
  EXPECT_FALSE(Resize(Image{}, 4, 4, Resample::kBicubic).ok());
  for (const ResizeWindow window : {ResizeWindow{0, 0, 5, 4}, ResizeWindow{-1, 0, 2, 2},
                                    ResizeWindow{0, 0, 0, 2}, ResizeWindow{4, 0, 1, 1}}) {
    EXPECT_FALSE(ResizeToWindow(source, 4, 4, Resample::kBicubic, window).ok());
  }
}

TEST(ResizeKernelsTest, VectorCodeEqualsPlainCode) {
  const std::optional<ResizeKernels> vector_code = Avx2ResizeKernels();
  if (!vector_code.has_value()) GTEST_SKIP() << "this processor has no AVX2";
  const ResizeKernels plain = PlainResizeKernels();
  uint32_t state = 7;
  const auto next = [&state](uint32_t limit) {
    return (state = state * 1664525u + 1013904223u) / 65536 % limit;
  };
  // Weights of both signs, whose sums are clamped at both ends and still fit.
  const auto weight = [&next](int count) {
    return static_cast<int32_t>((int64_t{next(1024)} - 350) * (1 << 13) / count);
  };
  for (int round = 0; round < 300; ++round) {
    const int width = 1 + static_cast<int>(next(40));
    const Image source = MakePattern(width, 12);
    ResizeTaps taps;
    taps.stride = 1 + static_cast<int>(next(static_cast<uint32_t>(width)));
    for (int i = 0; i < 9; ++i) {
      const int begin = static_cast<int>(next(static_cast<uint32_t>(width - taps.stride + 1)));
      taps.spans.push_back({begin, 1 + static_cast<int>(next(static_cast<uint32_t>(taps.stride)))});
      for (int k = 0; k < taps.stride; ++k) taps.coefficients.push_back(weight(taps.stride));
    }
    std::vector<uint8_t> expected(27);
    std::vector<uint8_t> actual(27);
    plain.row(source.pixels.data(), width, taps, expected.data());
    vector_code->row(source.pixels.data(), width, taps, actual.data());
    EXPECT_EQ(actual, expected);

    std::vector<int32_t> weights(12);
    for (int32_t& one : weights) one = weight(12);
    expected.assign(source.row_bytes(), 0);
    actual.assign(source.row_bytes(), 0);
    const int count = 1 + static_cast<int>(next(12));
    plain.column(source.pixels.data(), source.row_bytes(), weights.data(), count, expected.data());
    vector_code->column(source.pixels.data(), source.row_bytes(), weights.data(), count, actual.data());
    EXPECT_EQ(actual, expected);
  }
}

}  // namespace
}  // namespace eidetic::encoder
