#include "encoder/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encoder/resize_kernels.h"

namespace eidetic::encoder {
namespace {

constexpr int kMaxSide = 32'768;

double Sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

struct Filter {
  double support;
  double (*weight)(double x);
};

Filter FilterOf(Resample resample) {
  switch (resample) {
    case Resample::kBox:
      return {0.5, [](double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }};
    case Resample::kBilinear:
      return {1.0, [](double x) { return std::max(1.0 - std::fabs(x), 0.0); }};
    case Resample::kHamming:  // the constants are floats in Pillow too
      return {1.0, [](double x) {
                x = std::fabs(x);
                if (x == 0.0) return 1.0;
                if (x >= 1.0) return 0.0;
                x *= std::numbers::pi;
                // Together, as compilers make of Pillow's calls: sin alone differs in the last bit.
                double sine = 0;
                double cosine = 0;
                sincos(x, &sine, &cosine);
                return sine / x * (0.54f + 0.46f * cosine);
              }};
    case Resample::kLanczos:
      return {3.0, [](double x) { return x >= -3.0 && x < 3.0 ? Sinc(x) * Sinc(x / 3.0) : 0.0; }};
    case Resample::kBicubic:
    case Resample::kNearest:
      break;
  }
  return {2.0, [](double x) {
            constexpr double kA = -0.5;
            x = std::fabs(x);
            if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
            if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
            return 0.0;
          }};
}

// For `count` outputs from `first` on, of a side scaled from `in` to `out`.
ResizeTaps MakeTaps(int in, int out, int first, int count, const Filter& filter) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter.support * filter_scale;
  const double inverse = 1.0 / filter_scale;

  ResizeTaps taps;
  taps.stride = static_cast<int>(std::ceil(support)) * 2 + 1;
  taps.spans.reserve(static_cast<size_t>(count));
  taps.coefficients.resize(static_cast<size_t>(count) * taps.stride);
  std::vector<double> weights(static_cast<size_t>(taps.stride));
  for (int i = 0; i < count; ++i) {
    const double center = (first + i + 0.5) * scale;
    const int begin = std::max(static_cast<int>(center - support + 0.5), 0);
    const int end = std::min(static_cast<int>(center + support + 0.5), in);
    double sum = 0.0;
    for (int x = begin; x < end; ++x) {
      const double weight = filter.weight((x - center + 0.5) * inverse);
      weights[x - begin] = weight;
      sum += weight;
    }
    int32_t* coefficients = taps.coefficients.data() + static_cast<size_t>(i) * taps.stride;
    for (int x = 0; x < end - begin; ++x) {
      const double weight = sum != 0.0 ? weights[x] / sum : weights[x];
      const double fixed = weight * (1 << kResizeFractionBits);
      coefficients[x] = static_cast<int32_t>(fixed + (weight < 0 ? -0.5 : 0.5));
    }
    taps.spans.push_back({begin, end - begin});
  }
  return taps;
}

// The input position of each output; the running sum is Pillow's, with its
// rounding.
std::vector<int> NearestPositions(int in, int out, int first, int count) {
  const double scale = static_cast<double>(in) / out;
  std::vector<int> positions;
  double position = scale * 0.5;
  for (int i = 0; i < first + count; ++i, position += scale) {
    if (i >= first) positions.push_back(std::min(static_cast<int>(position), in - 1));
  }
  return positions;
}

Image MakeImage(int width, int height) {
  Image image{.width = width, .height = height, .pixels = {}};
  image.pixels.resize(image.row_bytes() * static_cast<size_t>(height));
  return image;
}

Image ResizeNearest(const Image& image, int width, int height, const ResizeWindow& window) {
  const std::vector<int> columns = NearestPositions(image.width, width, window.left, window.width);
  const std::vector<int> rows = NearestPositions(image.height, height, window.top, window.height);
  Image result = MakeImage(window.width, window.height);
  uint8_t* to = result.pixels.data();
  for (const int row : rows) {
    const uint8_t* from = image.pixels.data() + image.row_bytes() * row;
    for (const int column : columns) {
      std::memcpy(to, from + static_cast<size_t>(column) * 3, 3);
      to += 3;
    }
  }
  return result;
}

Image Crop(const Image& image, const ResizeWindow& window) {
  Image result = MakeImage(window.width, window.height);
  for (int y = 0; y < window.height; ++y) {
    std::memcpy(
        result.pixels.data() + result.row_bytes() * y,
        image.pixels.data() + image.row_bytes() * (window.top + y) + static_cast<size_t>(window.left) * 3,
        result.row_bytes());
  }
  return result;
}

// `rows` rows of the image from `first_row` on.
Image PassAcross(const Image& image, int first_row, int rows, const ResizeTaps& taps) {
  const ResizeKernels kernels = BestResizeKernels();
  Image result = MakeImage(static_cast<int>(taps.spans.size()), rows);
  for (int y = 0; y < rows; ++y) {
    kernels.row(image.pixels.data() + image.row_bytes() * (first_row + y), image.width, taps,
                result.pixels.data() + result.row_bytes() * y);
  }
  return result;
}

// The image holds the rows from `first_row` on of what the taps count in.
Image PassDown(const Image& image, int first_row, const ResizeTaps& taps) {
  const ResizeKernels kernels = BestResizeKernels();
  Image result = MakeImage(image.width, static_cast<int>(taps.spans.size()));
  for (int y = 0; y < result.height; ++y) {
    const ResizeTaps::Span& span = taps.spans[y];
    kernels.column(image.pixels.data() + image.row_bytes() * (span.begin - first_row), image.row_bytes(),
                   taps.coefficients.data() + static_cast<size_t>(y) * taps.stride, span.count,
                   result.pixels.data() + result.row_bytes() * y);
  }
  return result;
}

// The order shows in the bytes, since each pass rounds. Pillow 13 goes down
// first when the height shrinks by more than twice what the width does; before,
// it always went across first.
bool DownFirst(const Image& image, int width, int height) {
  const int shrink = image.height - height;
  return shrink > 0 && shrink > 2 * (image.width - width);
}

absl::Status Check(const Image& image, int width, int height, const ResizeWindow& window) {
  for (const int side : {image.width, image.height, width, height}) {
    if (side < 1 || side > kMaxSide) {
      return absl::InvalidArgumentError(absl::StrCat("cannot resize ", image.width, " x ", image.height,
                                                     " to ", width, " x ", height, ": a side must have 1 to ",
                                                     kMaxSide, " pixels"));
    }
  }
  if (image.pixels.size() != image.row_bytes() * static_cast<size_t>(image.height)) {
    return absl::InvalidArgumentError(absl::StrCat("a picture of ", image.width, " x ", image.height,
                                                   " pixels cannot have ", image.pixels.size(), " bytes"));
  }
  if (window.left < 0 || window.top < 0 || window.width < 1 || window.height < 1 ||
      window.width > width - window.left || window.height > height - window.top) {
    return absl::InvalidArgumentError(absl::StrCat("the window ", window.width, " x ", window.height, " at ",
                                                   window.left, ", ", window.top, " is not inside ", width,
                                                   " x ", height));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Image> ResizeToWindow(const Image& image, int width, int height, Resample resample,
                                     const ResizeWindow& window) {
  absl::Status status = Check(image, width, height, window);
  if (!status.ok()) return status;
  const bool across = width != image.width;
  const bool down = height != image.height;
  if (!across && !down) return Crop(image, window);
  if (resample == Resample::kNearest) return ResizeNearest(image, width, height, window);

  const Filter filter = FilterOf(resample);
  ResizeTaps column_taps;
  if (across) column_taps = MakeTaps(image.width, width, window.left, window.width, filter);
  if (!down) return PassAcross(image, window.top, window.height, column_taps);

  const ResizeTaps row_taps = MakeTaps(image.height, height, window.top, window.height, filter);
  // Only the rows that the pass down will look at.
  const int first_row = row_taps.spans.front().begin;
  const int rows = row_taps.spans.back().begin + row_taps.spans.back().count - first_row;
  if (!across) {
    const ResizeWindow needed{.left = window.left, .top = first_row, .width = window.width, .height = rows};
    return PassDown(Crop(image, needed), first_row, row_taps);
  }
  if (DownFirst(image, width, height)) {
    return PassAcross(PassDown(image, 0, row_taps), 0, window.height, column_taps);
  }
  return PassDown(PassAcross(image, first_row, rows, column_taps), first_row, row_taps);
}

absl::StatusOr<Image> Resize(const Image& image, int width, int height, Resample resample) {
  return ResizeToWindow(image, width, height, resample,
                        {.left = 0, .top = 0, .width = width, .height = height});
}

}  // namespace eidetic::encoder
