#include "encoder/model_config.h"

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encoder/json_reader.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr int64_t kMostDimension = 1 << 16;
constexpr int64_t kMostPositions = 1 << 20;
constexpr int64_t kMostTokens = 4'000'000;
// RoBERTa counts positions from behind its padding id, 1.
constexpr int kRobertaOffset = 2;
constexpr int kClipTokens = 77;
constexpr int kSiglipTokens = 64;

absl::StatusOr<std::optional<int>> OptionalSize(const JsonReader& config, const char* key, int64_t most) {
  if (!config.Has(key)) return std::nullopt;
  EIDETIC_ASSIGN_OR_RETURN(const int64_t value, config.Integer(key, 1, most));
  return static_cast<int>(value);
}

// N, or [height, width].
absl::Status ReadImageSize(const JsonReader& vision, ModelConfig& config) {
  if (!vision.Has("image_size")) return absl::OkStatus();
  if (!vision.value()["image_size"].is_array()) {
    EIDETIC_ASSIGN_OR_RETURN(config.image_height, OptionalSize(vision, "image_size", kMostDimension));
    config.image_width = config.image_height;
    return absl::OkStatus();
  }
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader sides, vision.Array("image_size"));
  std::array<int, 2> sizes{};
  for (size_t i = 0; i < sizes.size(); ++i) {
    const bool good = sides.value().size() == sizes.size() && sides.value()[i].is_number_integer() &&
                      sides.value()[i] >= 1 && sides.value()[i] <= kMostDimension;
    if (!good) return sides.Error(absl::StrCat("must be [height, width], each 1 to ", kMostDimension));
    sizes[i] = sides.value()[i].get<int>();
  }
  config.image_height = sizes[0];
  config.image_width = sizes[1];
  return absl::OkStatus();
}

absl::Status ReadVocabularySize(const JsonReader& text, ModelConfig& config) {
  if (!text.Has("vocab_size")) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(config.vocabulary_size, text.Integer("vocab_size", 1, kMostTokens));
  return absl::OkStatus();
}

// The part about texts: text_config, or the whole file of a model of texts alone.
absl::Status ReadTransformersText(const JsonReader& text, ModelConfig& config) {
  EIDETIC_ASSIGN_OR_RETURN(config.max_tokens, OptionalSize(text, "max_position_embeddings", kMostPositions));
  EIDETIC_ASSIGN_OR_RETURN(const std::string type, text.StringOr("model_type", ""));
  if (config.max_tokens && absl::StrContains(type, "roberta") && *config.max_tokens > kRobertaOffset) {
    *config.max_tokens -= kRobertaOffset;
  }
  return ReadVocabularySize(text, config);
}

// What is true of a family whatever its files say, or where they say nothing.
void ApplyFamily(ModelConfig& config) {
  const bool siglip = absl::StartsWith(config.family, "siglip");
  if (siglip) {
    config.fills_texts = true;
    config.attends_to_padding = true;
    config.assumptions.push_back("SigLIP fills every text up to its longest and has no attention mask");
  }
  if (config.max_tokens || (!siglip && config.family != "clip")) return;
  config.max_tokens = siglip ? kSiglipTokens : kClipTokens;
  config.assumptions.push_back(
      absl::StrCat("a text has at most ", *config.max_tokens, " tokens in the family ", config.family));
}

absl::Status ParseTransformers(const JsonReader& root, ModelConfig& config) {
  EIDETIC_ASSIGN_OR_RETURN(config.family, root.StringOr("model_type", ""));
  EIDETIC_ASSIGN_OR_RETURN(config.dimension, OptionalSize(root, "projection_dim", kMostDimension));
  if (root.Has("vision_config")) {
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader vision, root.Object("vision_config"));
    EIDETIC_RETURN_IF_ERROR(ReadImageSize(vision, config));
  }
  if (root.Has("text_config")) {
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader text, root.Object("text_config"));
    EIDETIC_RETURN_IF_ERROR(ReadTransformersText(text, config));
  } else if (!root.Has("vision_config")) {
    EIDETIC_RETURN_IF_ERROR(ReadTransformersText(root, config));
  }
  ApplyFamily(config);
  return absl::OkStatus();
}

absl::Status ReadCleaning(const JsonReader& text, ModelConfig& config) {
  config.cleaning = TextCleaning::kSpaces;
  if (!text.Has("tokenizer_kwargs")) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader arguments, text.Object("tokenizer_kwargs"));
  for (const auto& [key, value] : arguments.value().items()) {
    if (key == "clean") continue;
    return absl::UnimplementedError(
        absl::StrCat(arguments.path(), ": ", key, " is not supported, only clean is"));
  }
  EIDETIC_ASSIGN_OR_RETURN(const std::string clean, arguments.StringOr("clean", "whitespace"));
  if (clean == "canonicalize") {
    config.cleaning = TextCleaning::kCanonical;
  } else if (clean == "lower") {
    config.cleaning = TextCleaning::kLowercase;
  } else if (clean != "whitespace") {
    return absl::UnimplementedError(
        absl::StrCat(arguments.path(), ": clean \"", clean,
                     "\" is not supported; whitespace, lower and canonicalize are"));
  }
  return absl::OkStatus();
}

absl::Status ParseOpenClip(const JsonReader& root, ModelConfig& config) {
  config.family = "open_clip";
  config.fills_texts = true;
  EIDETIC_ASSIGN_OR_RETURN(config.dimension, OptionalSize(root, "embed_dim", kMostDimension));
  if (root.Has("vision_cfg")) {
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader vision, root.Object("vision_cfg"));
    EIDETIC_RETURN_IF_ERROR(ReadImageSize(vision, config));
  }
  config.cleaning = TextCleaning::kSpaces;
  if (root.Has("text_cfg")) {
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader text, root.Object("text_cfg"));
    EIDETIC_ASSIGN_OR_RETURN(config.max_tokens, OptionalSize(text, "context_length", kMostPositions));
    EIDETIC_RETURN_IF_ERROR(ReadVocabularySize(text, config));
    EIDETIC_RETURN_IF_ERROR(ReadCleaning(text, config));
  }
  if (!config.max_tokens) {
    config.max_tokens = kClipTokens;
    config.assumptions.push_back(
        absl::StrCat("a text has at most ", kClipTokens, " tokens, as OpenCLIP takes it"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(absl::string_view text, absl::string_view name) {
  EIDETIC_ASSIGN_OR_RETURN(const nlohmann::json document, ParseJson(text, name));
  const JsonReader root(document, name);
  if (!document.is_object()) return root.Error("must be an object");
  ModelConfig config;
  if (root.Has("model_cfg")) {  // open_clip_config.json
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader inner, root.Object("model_cfg"));
    EIDETIC_RETURN_IF_ERROR(ParseOpenClip(inner, config));
  } else if (root.Has("embed_dim") || root.Has("vision_cfg") || root.Has("text_cfg")) {
    EIDETIC_RETURN_IF_ERROR(ParseOpenClip(root, config));
  } else {
    EIDETIC_RETURN_IF_ERROR(ParseTransformers(root, config));
  }
  return config;
}

}  // namespace eidetic::encoder
