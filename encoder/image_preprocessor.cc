#include "encoder/image_preprocessor.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

// A picture decoded at reduced scale keeps at least so many times the pixels
// that the resize will keep: 2 changes the tensor less than JPEG's own loss does.
constexpr int kReducedScaleMargin = 2;

const char* NameOf(Resample resample) {
  switch (resample) {
    case Resample::kNearest:
      return "nearest";
    case Resample::kLanczos:
      return "lanczos";
    case Resample::kBilinear:
      return "bilinear";
    case Resample::kBicubic:
      return "bicubic";
    case Resample::kBox:
      return "box";
    case Resample::kHamming:
      return "hamming";
  }
  return "unknown";
}

// Where the crop of one side begins in the picture; negative when the picture is
// smaller.
int CropOffset(int size, int crop, CropRounding rounding) {
  const int difference = size - crop;
  if (difference < 0) return -((-difference + 1) / 2);
  const int half = difference / 2;
  const bool up = rounding == CropRounding::kToEven && difference % 2 == 1 && half % 2 == 1;
  return half + (up ? 1 : 0);
}

}  // namespace

absl::StatusOr<ImagePreprocessor> ImagePreprocessor::FromJson(absl::string_view json,
                                                              absl::string_view name) {
  EIDETIC_ASSIGN_OR_RETURN(ImageRules rules, ParseImageRules(json, name));
  return ImagePreprocessor(std::move(rules));
}

void ImagePreprocessor::LeaveBytes() {
  rules_.scale.fill(1);
  rules_.offset.fill(0);
}

size_t ImagePreprocessor::tensor_size() const { return size_t{3} * rules_.crop_height * rules_.crop_width; }

int ImagePreprocessor::min_short_side() const {
  // Without a resize each pixel counts; nearest would pick other ones.
  if (!rules_.resize || rules_.resample == Resample::kNearest) return 0;
  const int needed =
      rules_.shortest_edge > 0 ? rules_.shortest_edge : std::max(rules_.resize_width, rules_.resize_height);
  return needed * kReducedScaleMargin;
}

std::string ImagePreprocessor::Describe() const {
  std::string text;
  if (rules_.resize && rules_.shortest_edge > 0) {
    text = absl::StrCat("shorter side to ", rules_.shortest_edge, " (", NameOf(rules_.resample), ")");
  } else if (rules_.resize) {
    text = absl::StrCat("resize to ", rules_.resize_width, " x ", rules_.resize_height, " (",
                        NameOf(rules_.resample), ")");
  } else {
    text = "no resize";
  }
  if (rules_.center_crop)
    absl::StrAppend(&text, ", centre crop ", rules_.crop_width, " x ", rules_.crop_height);
  absl::StrAppend(&text, ", byte * (", rules_.scale[0], ", ", rules_.scale[1], ", ", rules_.scale[2], ") + (",
                  rules_.offset[0], ", ", rules_.offset[1], ", ", rules_.offset[2], ")");
  return text;
}

absl::Status ImagePreprocessor::Apply(const Image& image, std::span<float> tensor) const {
  if (tensor.size() != tensor_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the tensor has ", tensor.size(), " values, ", tensor_size(), " are needed"));
  }
  if (image.width < 1 || image.height < 1) return absl::InvalidArgumentError("the picture is empty");
  int width = image.width;
  int height = image.height;
  if (rules_.resize && rules_.shortest_edge > 0) {
    const int64_t edge = rules_.shortest_edge;
    const int64_t short_side = std::min(width, height);
    const int64_t long_side = edge * std::max(width, height) / short_side;
    constexpr int64_t kMaxResizedSide = 32'768;
    if (long_side > kMaxResizedSide) {
      return absl::InvalidArgumentError(absl::StrCat("a picture of ", width, " x ", height,
                                                     " pixels is too narrow to resize its shorter side to ",
                                                     edge));
    }
    const bool portrait = width <= height;
    width = static_cast<int>(portrait ? edge : long_side);
    height = static_cast<int>(portrait ? long_side : edge);
  } else if (rules_.resize) {
    width = rules_.resize_width;
    height = rules_.resize_height;
  }

  // The part of the resized picture that the crop sees, and where it goes in the
  // tensor; what the picture does not cover is black, as the reference has it.
  const int left = CropOffset(width, rules_.crop_width, rules_.crop_rounding);
  const int top = CropOffset(height, rules_.crop_height, rules_.crop_rounding);
  const ResizeWindow window{.left = std::max(left, 0),
                            .top = std::max(top, 0),
                            .width = std::min(rules_.crop_width, width),
                            .height = std::min(rules_.crop_height, height)};
  const int tensor_left = std::max(-left, 0);
  const int tensor_top = std::max(-top, 0);
  EIDETIC_ASSIGN_OR_RETURN(const Image part, ResizeToWindow(image, width, height, rules_.resample, window));

  const size_t plane = static_cast<size_t>(rules_.crop_width) * rules_.crop_height;
  const bool padded = window.width < rules_.crop_width || window.height < rules_.crop_height;
  for (size_t channel = 0; channel < 3; ++channel) {
    float* values = tensor.data() + plane * channel;
    const float scale = rules_.scale[channel];
    const float offset = rules_.offset[channel];
    if (padded) std::fill_n(values, plane, offset);
    for (int y = 0; y < part.height; ++y) {
      const uint8_t* from = part.pixels.data() + part.row_bytes() * y + channel;
      float* to = values + static_cast<size_t>(rules_.crop_width) * (tensor_top + y) + tensor_left;
      for (int x = 0; x < part.width; ++x) to[x] = static_cast<float>(from[3 * x]) * scale + offset;
    }
  }
  return absl::OkStatus();
}

}  // namespace eidetic::encoder
