#include "encoder/image_preprocessor.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

using Json = nlohmann::json;

constexpr int kMaxTensorSide = 4096;
// CLIPImageProcessor's own defaults.
constexpr int kDefaultSide = 224;
constexpr std::array<double, 3> kDefaultMean = {0.48145466, 0.4578275, 0.40821073};
constexpr std::array<double, 3> kDefaultStd = {0.26862954, 0.26130258, 0.27577711};

// A picture decoded at reduced scale keeps at least so many times the pixels
// that the resize will keep: 2 changes the tensor less than JPEG's own loss does.
constexpr int kReducedScaleMargin = 2;

struct Side {
  int width = 0;
  int height = 0;
};

// Reads keys of one JSON object; an absent key or null gives the default.
class ConfigReader {
 public:
  ConfigReader(const Json& config, absl::string_view name) : config_(config), name_(name) {}

  absl::Status Error(absl::string_view key, absl::string_view problem) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": \"", key, "\" ", problem));
  }

  const Json* Find(const char* key) const {
    const auto found = config_.find(key);
    return found == config_.end() || found->is_null() ? nullptr : &*found;
  }

  absl::StatusOr<bool> Bool(const char* key, bool absent) const {
    const Json* value = Find(key);
    if (value == nullptr) return absent;
    if (!value->is_boolean()) return Error(key, "must be true or false");
    return value->get<bool>();
  }

  absl::StatusOr<double> Number(const char* key, double absent) const {
    const Json* value = Find(key);
    if (value == nullptr) return absent;
    if (!value->is_number() || !std::isfinite(value->get<double>())) return Error(key, "must be a number");
    return value->get<double>();
  }

  absl::StatusOr<std::array<double, 3>> Triple(const char* key, const std::array<double, 3>& absent) const {
    const Json* value = Find(key);
    if (value == nullptr) return absent;
    std::array<double, 3> triple{};
    if (!value->is_array() || value->size() != triple.size())
      return Error(key, "must be a list of 3 numbers");
    for (size_t i = 0; i < triple.size(); ++i) {
      if (!(*value)[i].is_number()) return Error(key, "must be a list of 3 numbers");
      triple[i] = (*value)[i].get<double>();
    }
    return triple;
  }

  absl::StatusOr<int> Pixels(const char* key, const Json& value) const {
    if (!value.is_number_integer() || value.get<int64_t>() < 1 || value.get<int64_t>() > kMaxTensorSide) {
      return Error(key, absl::StrCat("must be 1 to ", kMaxTensorSide, " pixels"));
    }
    return static_cast<int>(value.get<int64_t>());
  }

  // {"height": H, "width": W}
  absl::StatusOr<Side> Sides(const char* key, const Json& value) const {
    if (!value.is_object() || !value.contains("height") || !value.contains("width")) {
      return Error(key, "must be a number of pixels or have \"height\" and \"width\"");
    }
    Side side;
    EIDETIC_ASSIGN_OR_RETURN(side.width, Pixels(key, value["width"]));
    EIDETIC_ASSIGN_OR_RETURN(side.height, Pixels(key, value["height"]));
    return side;
  }

 private:
  const Json& config_;
  absl::string_view name_;
};

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

// Where the crop of one side begins in the picture: rounded down, and negative
// when the picture is smaller.
int CropOffset(int size, int crop) {
  const int difference = size - crop;
  return difference >= 0 ? difference / 2 : -((-difference + 1) / 2);
}

}  // namespace

absl::StatusOr<ImagePreprocessor> ImagePreprocessor::FromJson(absl::string_view json,
                                                              absl::string_view name) {
  const Json config = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return absl::InvalidArgumentError(absl::StrCat(name, ": not a JSON object"));
  const ConfigReader reader(config, name);
  ImagePreprocessor result;

  EIDETIC_ASSIGN_OR_RETURN(result.resize_, reader.Bool("do_resize", true));
  const Json* size = reader.Find("size");
  bool exact_size = false;
  if (size == nullptr) {
    result.shortest_edge_ = kDefaultSide;
  } else if (size->is_number()) {
    EIDETIC_ASSIGN_OR_RETURN(result.shortest_edge_, reader.Pixels("size", *size));
  } else if (size->is_object() && size->contains("shortest_edge")) {
    if (size->contains("longest_edge")) return reader.Error("size", "with \"longest_edge\" is not supported");
    EIDETIC_ASSIGN_OR_RETURN(result.shortest_edge_, reader.Pixels("size", (*size)["shortest_edge"]));
  } else {
    EIDETIC_ASSIGN_OR_RETURN(const Side side, reader.Sides("size", *size));
    result.resize_width_ = side.width;
    result.resize_height_ = side.height;
    exact_size = true;
  }
  EIDETIC_ASSIGN_OR_RETURN(const double resample, reader.Number("resample", 3));
  if (resample != std::floor(resample) || resample < 0 || resample > 5) {
    return reader.Error("resample", "must be 0 to 5 (Pillow's numbers)");
  }
  result.resample_ = static_cast<Resample>(static_cast<int>(resample));

  // Processors that squash (SigLIP, ViT) do not crop and do not say so.
  const Json* crop_size = reader.Find("crop_size");
  const bool crop_by_default = !exact_size || crop_size != nullptr;
  EIDETIC_ASSIGN_OR_RETURN(result.center_crop_, reader.Bool("do_center_crop", crop_by_default));
  if (result.center_crop_) {
    Side crop{.width = kDefaultSide, .height = kDefaultSide};
    if (crop_size != nullptr && crop_size->is_number()) {
      EIDETIC_ASSIGN_OR_RETURN(crop.width, reader.Pixels("crop_size", *crop_size));
      crop.height = crop.width;
    } else if (crop_size != nullptr) {
      EIDETIC_ASSIGN_OR_RETURN(crop, reader.Sides("crop_size", *crop_size));
    }
    result.crop_width_ = crop.width;
    result.crop_height_ = crop.height;
  } else if (result.resize_ && exact_size) {
    result.crop_width_ = result.resize_width_;
    result.crop_height_ = result.resize_height_;
  } else {
    return reader.Error("do_center_crop",
                        "must be true unless \"do_resize\" is true with \"size\" giving height and width: "
                        "pictures of different shapes would give tensors of different sizes");
  }

  EIDETIC_ASSIGN_OR_RETURN(const bool rescale, reader.Bool("do_rescale", true));
  EIDETIC_ASSIGN_OR_RETURN(const double factor, reader.Number("rescale_factor", 1.0 / 255.0));
  EIDETIC_ASSIGN_OR_RETURN(const bool normalize, reader.Bool("do_normalize", true));
  EIDETIC_ASSIGN_OR_RETURN(const auto mean, reader.Triple("image_mean", kDefaultMean));
  EIDETIC_ASSIGN_OR_RETURN(const auto std_deviation, reader.Triple("image_std", kDefaultStd));
  for (size_t channel = 0; channel < 3; ++channel) {
    if (!(std_deviation[channel] > 0)) return reader.Error("image_std", "must be above 0");
    const double scale = rescale ? factor : 1.0;
    const double divisor = normalize ? std_deviation[channel] : 1.0;
    result.scale_[channel] = static_cast<float>(scale / divisor);
    result.offset_[channel] = normalize ? static_cast<float>(-mean[channel] / divisor) : 0.0f;
  }
  return result;
}

size_t ImagePreprocessor::tensor_size() const { return size_t{3} * crop_height_ * crop_width_; }

int ImagePreprocessor::min_short_side() const {
  // Without a resize each pixel counts; nearest would pick other ones.
  if (!resize_ || resample_ == Resample::kNearest) return 0;
  const int needed = shortest_edge_ > 0 ? shortest_edge_ : std::max(resize_width_, resize_height_);
  return needed * kReducedScaleMargin;
}

std::string ImagePreprocessor::Describe() const {
  std::string text;
  if (resize_ && shortest_edge_ > 0) {
    text = absl::StrCat("shorter side to ", shortest_edge_, " (", NameOf(resample_), ")");
  } else if (resize_) {
    text = absl::StrCat("resize to ", resize_width_, " x ", resize_height_, " (", NameOf(resample_), ")");
  } else {
    text = "no resize";
  }
  if (center_crop_) absl::StrAppend(&text, ", centre crop ", crop_width_, " x ", crop_height_);
  absl::StrAppend(&text, ", byte * (", scale_[0], ", ", scale_[1], ", ", scale_[2], ") + (", offset_[0], ", ",
                  offset_[1], ", ", offset_[2], ")");
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
  if (resize_ && shortest_edge_ > 0) {
    const int64_t edge = shortest_edge_;
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
  } else if (resize_) {
    width = resize_width_;
    height = resize_height_;
  }

  // The part of the resized picture that the crop sees, and where it goes in the
  // tensor; what the picture does not cover is black, as the reference has it.
  const int left = CropOffset(width, crop_width_);
  const int top = CropOffset(height, crop_height_);
  const ResizeWindow window{.left = std::max(left, 0),
                            .top = std::max(top, 0),
                            .width = std::min(crop_width_, width),
                            .height = std::min(crop_height_, height)};
  const int tensor_left = std::max(-left, 0);
  const int tensor_top = std::max(-top, 0);
  EIDETIC_ASSIGN_OR_RETURN(const Image part, ResizeToWindow(image, width, height, resample_, window));

  const size_t plane = static_cast<size_t>(crop_width_) * crop_height_;
  const bool padded = window.width < crop_width_ || window.height < crop_height_;
  for (size_t channel = 0; channel < 3; ++channel) {
    float* values = tensor.data() + plane * channel;
    const float scale = scale_[channel];
    const float offset = offset_[channel];
    if (padded) std::fill_n(values, plane, offset);
    for (int y = 0; y < part.height; ++y) {
      const uint8_t* from = part.pixels.data() + part.row_bytes() * y + channel;
      float* to = values + static_cast<size_t>(crop_width_) * (tensor_top + y) + tensor_left;
      for (int x = 0; x < part.width; ++x) to[x] = static_cast<float>(from[3 * x]) * scale + offset;
    }
  }
  return absl::OkStatus();
}

}  // namespace eidetic::encoder
