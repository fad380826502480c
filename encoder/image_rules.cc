#include "encoder/image_rules.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

using Json = nlohmann::json;

constexpr int kMaxTensorSide = 4096;
constexpr std::array<double, 3> kClipMean = {0.48145466, 0.4578275, 0.40821073};
constexpr std::array<double, 3> kClipStd = {0.26862954, 0.26130258, 0.27577711};
constexpr std::array<double, 3> kHalf = {0.5, 0.5, 0.5};

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

  absl::StatusOr<std::string> String(const char* key, const char* absent) const {
    const Json* value = Find(key);
    if (value == nullptr) return absent;
    if (!value->is_string()) return Error(key, "must be a string");
    return value->get<std::string>();
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

// What an image processor does where its file says nothing.
struct Defaults {
  bool squash = false;
  int side = 224;
  Resample resample = Resample::kBicubic;
  std::array<double, 3> mean = kClipMean;
  std::array<double, 3> std_deviation = kClipStd;
};

// By image_processor_type; nullopt for one that is not known.
std::optional<Defaults> DefaultsOf(absl::string_view type) {
  absl::ConsumeSuffix(&type, "Fast");
  if (!absl::ConsumeSuffix(&type, "ImageProcessor")) absl::ConsumeSuffix(&type, "FeatureExtractor");
  if (type == "CLIP" || type == "ChineseCLIP" || type == "Bit") return Defaults{};
  if (type == "Siglip") return Defaults{.squash = true, .mean = kHalf, .std_deviation = kHalf};
  if (type == "ViT") {
    return Defaults{.squash = true, .resample = Resample::kBilinear, .mean = kHalf, .std_deviation = kHalf};
  }
  return std::nullopt;
}

// Reads preprocessor_config.json.
class HuggingFaceRules {
 public:
  HuggingFaceRules(const Json& config, absl::string_view name)
      : config_(config), name_(name), reader_(config, name) {}

  absl::StatusOr<ImageRules> Parse() {
    EIDETIC_RETURN_IF_ERROR(ReadType());
    EIDETIC_RETURN_IF_ERROR(CheckSteps());
    EIDETIC_RETURN_IF_ERROR(ReadSize());
    EIDETIC_RETURN_IF_ERROR(ReadCrop());
    EIDETIC_RETURN_IF_ERROR(ReadValues());
    return std::move(rules_);
  }

 private:
  absl::Status Unsupported(absl::string_view key, absl::string_view problem) const {
    return absl::UnimplementedError(absl::StrCat(name_, ": \"", key, "\" ", problem));
  }

  absl::Status ReadType() {
    for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
      const Json* type = reader_.Find(key);
      if (type == nullptr) continue;
      if (!type->is_string()) return reader_.Error(key, "must be a string");
      type_ = type->get<std::string>();
      break;
    }
    if (type_.empty()) return absl::OkStatus();
    const std::optional<Defaults> known = DefaultsOf(type_);
    if (known) {
      defaults_ = *known;
      return absl::OkStatus();
    }
    for (const char* key : {"size", "resample", "image_mean", "image_std"}) {
      if (reader_.Find(key) == nullptr) {
        return Unsupported(key, absl::StrCat("is missing, and what the image processor ", type_,
                                             " does then is not known to this version"));
      }
    }
    return absl::OkStatus();
  }

  // Steps that would change the picture and are not known here.
  absl::Status CheckSteps() const {
    static constexpr absl::string_view kKnown[] = {"do_resize", "do_center_crop", "do_rescale",
                                                   "do_normalize", "do_convert_rgb"};
    for (const auto& [key, value] : config_.items()) {
      const bool known = std::find(std::begin(kKnown), std::end(kKnown), key) != std::end(kKnown);
      const bool step = absl::StartsWith(key, "do_") && value.is_boolean() && value.get<bool>();
      const bool refused =
          (step && !known) || ((key == "crop_pct" || key == "max_num_patches") && !value.is_null());
      if (refused) return Unsupported(key, "asks for a step that this version does not have");
    }
    return absl::OkStatus();
  }

  void Assume(absl::string_view what) {
    rules_.assumptions.push_back(
        absl::StrCat(what, " of ", type_.empty() ? "CLIPImageProcessor" : absl::string_view(type_)));
  }

  absl::Status ReadSize() {
    EIDETIC_ASSIGN_OR_RETURN(rules_.resize, reader_.Bool("do_resize", true));
    const Json* size = reader_.Find("size");
    if (size == nullptr) {
      Assume(absl::StrCat("size ", defaults_.side));
      exact_size_ = defaults_.squash;
      (exact_size_ ? rules_.resize_width : rules_.shortest_edge) = defaults_.side;
      rules_.resize_height = rules_.resize_width;
    } else if (size->is_number() && !defaults_.squash) {
      EIDETIC_ASSIGN_OR_RETURN(rules_.shortest_edge, reader_.Pixels("size", *size));
    } else if (size->is_object() && size->contains("shortest_edge")) {
      if (size->contains("longest_edge"))
        return reader_.Error("size", "with \"longest_edge\" is not supported");
      EIDETIC_ASSIGN_OR_RETURN(rules_.shortest_edge, reader_.Pixels("size", (*size)["shortest_edge"]));
    } else {
      exact_size_ = true;
      Side side;
      if (size->is_number()) {
        EIDETIC_ASSIGN_OR_RETURN(side.width, reader_.Pixels("size", *size));
        side.height = side.width;
      } else {
        EIDETIC_ASSIGN_OR_RETURN(side, reader_.Sides("size", *size));
      }
      rules_.resize_width = side.width;
      rules_.resize_height = side.height;
    }
    if (reader_.Find("resample") == nullptr) Assume("resample");
    EIDETIC_ASSIGN_OR_RETURN(const double resample,
                             reader_.Number("resample", static_cast<int>(defaults_.resample)));
    if (resample != std::floor(resample) || resample < 0 || resample > 5) {
      return reader_.Error("resample", "must be 0 to 5 (Pillow's numbers)");
    }
    rules_.resample = static_cast<Resample>(static_cast<int>(resample));
    return absl::OkStatus();
  }

  absl::Status ReadCrop() {
    // Processors that squash (SigLIP, ViT) do not crop and do not say so.
    const Json* crop_size = reader_.Find("crop_size");
    const bool crop_by_default = !exact_size_ || crop_size != nullptr;
    EIDETIC_ASSIGN_OR_RETURN(rules_.center_crop, reader_.Bool("do_center_crop", crop_by_default));
    if (rules_.center_crop) {
      Side crop{.width = defaults_.side, .height = defaults_.side};
      if (crop_size == nullptr) Assume(absl::StrCat("crop_size ", defaults_.side));
      if (crop_size != nullptr && crop_size->is_number()) {
        EIDETIC_ASSIGN_OR_RETURN(crop.width, reader_.Pixels("crop_size", *crop_size));
        crop.height = crop.width;
      } else if (crop_size != nullptr) {
        EIDETIC_ASSIGN_OR_RETURN(crop, reader_.Sides("crop_size", *crop_size));
      }
      rules_.crop_width = crop.width;
      rules_.crop_height = crop.height;
    } else if (rules_.resize && exact_size_) {
      rules_.crop_width = rules_.resize_width;
      rules_.crop_height = rules_.resize_height;
    } else {
      return reader_.Error("do_center_crop",
                           "must be true unless \"do_resize\" is true with \"size\" giving height and width: "
                           "pictures of different shapes would give tensors of different sizes");
    }
    return absl::OkStatus();
  }

  absl::Status ReadValues() {
    EIDETIC_ASSIGN_OR_RETURN(const bool rescale, reader_.Bool("do_rescale", true));
    EIDETIC_ASSIGN_OR_RETURN(const double factor, reader_.Number("rescale_factor", 1.0 / 255.0));
    EIDETIC_ASSIGN_OR_RETURN(const bool normalize, reader_.Bool("do_normalize", true));
    if (normalize && (reader_.Find("image_mean") == nullptr || reader_.Find("image_std") == nullptr)) {
      Assume("mean and standard deviation");
    }
    EIDETIC_ASSIGN_OR_RETURN(const auto mean, reader_.Triple("image_mean", defaults_.mean));
    EIDETIC_ASSIGN_OR_RETURN(const auto std_deviation, reader_.Triple("image_std", defaults_.std_deviation));
    for (size_t channel = 0; channel < 3; ++channel) {
      if (!(std_deviation[channel] > 0)) return reader_.Error("image_std", "must be above 0");
      const double scale = rescale ? factor : 1.0;
      const double divisor = normalize ? std_deviation[channel] : 1.0;
      rules_.scale[channel] = static_cast<float>(scale / divisor);
      rules_.offset[channel] = normalize ? static_cast<float>(-mean[channel] / divisor) : 0.0f;
    }
    return absl::OkStatus();
  }

  const Json& config_;
  const absl::string_view name_;
  const ConfigReader reader_;
  std::string type_;
  Defaults defaults_;
  bool exact_size_ = false;
  ImageRules rules_;
};

// N, or [height, width].
absl::StatusOr<Side> OpenClipSize(const ConfigReader& reader, const Json& size) {
  Side side;
  const bool pair = size.is_array() && size.size() == 2;
  EIDETIC_ASSIGN_OR_RETURN(side.height, reader.Pixels("size", pair ? size[0] : size));
  EIDETIC_ASSIGN_OR_RETURN(side.width, reader.Pixels("size", pair ? size[1] : size));
  return side;
}

absl::Status ReadOpenClipInterpolation(absl::string_view interpolation, absl::string_view name,
                                       ImageRules& rules) {
  if (interpolation == "bicubic") {
    rules.resample = Resample::kBicubic;
  } else if (interpolation == "bilinear") {
    rules.resample = Resample::kBilinear;
  } else if (interpolation == "nearest") {
    rules.resample = Resample::kNearest;
  } else {
    return absl::UnimplementedError(absl::StrCat(name, ": interpolation \"", interpolation,
                                                 "\" is not supported; bicubic, bilinear and nearest are"));
  }
  return absl::OkStatus();
}

// Reads preprocess_cfg.json, or the same keys in a preprocessor_config.json.
absl::StatusOr<ImageRules> ParseOpenClip(const Json& config, absl::string_view name) {
  const ConfigReader reader(config, name);
  ImageRules rules{.crop_rounding = CropRounding::kToEven};
  const Json* size = reader.Find("size");
  if (size == nullptr) return reader.Error("size", "is missing");
  EIDETIC_ASSIGN_OR_RETURN(const Side side, OpenClipSize(reader, *size));
  rules.crop_width = side.width;
  rules.crop_height = side.height;
  EIDETIC_ASSIGN_OR_RETURN(const std::string mode, reader.String("mode", "RGB"));
  if (mode != "RGB")
    return absl::UnimplementedError(absl::StrCat(name, ": mode \"", mode, "\" is not supported; RGB is"));
  EIDETIC_ASSIGN_OR_RETURN(const std::string resize_mode, reader.String("resize_mode", "shortest"));
  if (resize_mode == "squash") {
    rules.resize_width = side.width;
    rules.resize_height = side.height;
  } else if (resize_mode == "shortest" && side.width == side.height) {
    rules.shortest_edge = side.width;
    rules.center_crop = true;
  } else {
    return absl::UnimplementedError(absl::StrCat(name, ": resize_mode \"", resize_mode, "\" with size ",
                                                 side.height, " x ", side.width,
                                                 " is not supported; squash is, and shortest with a square"));
  }
  EIDETIC_ASSIGN_OR_RETURN(const std::string interpolation, reader.String("interpolation", "bicubic"));
  EIDETIC_RETURN_IF_ERROR(ReadOpenClipInterpolation(interpolation, name, rules));
  for (const char* key : {"mean", "std", "interpolation", "resize_mode"}) {
    if (reader.Find(key) == nullptr) rules.assumptions.push_back(absl::StrCat(key, " of OpenCLIP"));
  }
  EIDETIC_ASSIGN_OR_RETURN(const auto mean, reader.Triple("mean", kClipMean));
  EIDETIC_ASSIGN_OR_RETURN(const auto std_deviation, reader.Triple("std", kClipStd));
  for (size_t channel = 0; channel < 3; ++channel) {
    if (!(std_deviation[channel] > 0)) return reader.Error("std", "must be above 0");
    rules.scale[channel] = static_cast<float>(1 / (255.0 * std_deviation[channel]));
    rules.offset[channel] = static_cast<float>(-mean[channel] / std_deviation[channel]);
  }
  return rules;
}

}  // namespace

absl::StatusOr<ImageRules> ParseImageRules(absl::string_view json, absl::string_view name) {
  const Json config = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return absl::InvalidArgumentError(absl::StrCat(name, ": not a JSON object"));
  for (const char* key : {"mean", "std", "interpolation", "resize_mode"}) {
    if (config.contains(key)) return ParseOpenClip(config, name);
  }
  return HuggingFaceRules(config, name).Parse();
}

}  // namespace eidetic::encoder
