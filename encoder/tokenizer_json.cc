#include "encoder/tokenizer_json.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMostPositions = 1 << 20;
constexpr size_t kMostAddedTokens = 65'536;

// {"single": [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}}, …],
//  "special_tokens": {"[CLS]": {"ids": [101]}}}
absl::Status ReadTemplate(const JsonReader& processor, SpecialIds& special_ids) {
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader single, processor.Array("single"));
  bool text_seen = false;
  for (const Json& element : single.value()) {
    const JsonReader part(element, single.path());
    if (part.Has("Sequence")) {
      if (text_seen) return single.Error("has the text twice");
      text_seen = true;
      continue;
    }
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader special, part.Object("SpecialToken"));
    EIDETIC_ASSIGN_OR_RETURN(const std::string name, special.String("id"));
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader all, processor.Object("special_tokens"));
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader token, all.Object(name.c_str()));
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader ids, token.Array("ids"));
    for (const Json& id : ids.value()) {
      EIDETIC_ASSIGN_OR_RETURN(const int32_t value, ReadTokenId(id, ids));
      (text_seen ? special_ids.suffix : special_ids.prefix).push_back(value);
    }
  }
  if (!text_seen) return single.Error("has no {\"Sequence\": …} for the text");
  return absl::OkStatus();
}

// {"sep": ["[SEP]", 102], "cls": ["[CLS]", 101]}
absl::Status ReadClsAndSep(const JsonReader& processor, SpecialIds& special_ids) {
  for (const char* key : {"cls", "sep"}) {
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader pair, processor.Array(key));
    if (pair.value().size() != 2) return pair.Error("must be [token, id]");
    EIDETIC_ASSIGN_OR_RETURN(const int32_t id, ReadTokenId(pair.value()[1], pair));
    (key[0] == 'c' ? special_ids.prefix : special_ids.suffix).push_back(id);
  }
  return absl::OkStatus();
}

absl::Status ReadProcessor(const JsonReader& processor, SpecialIds& special_ids) {
  EIDETIC_ASSIGN_OR_RETURN(const std::string type, processor.String("type"));
  if (type == "ByteLevel") return absl::OkStatus();  // Changes offsets only.
  const bool adds = type == "TemplateProcessing" || type == "BertProcessing" || type == "RobertaProcessing";
  if (!adds) return UnsupportedComponent(processor, absl::StrCat("the post-processor ", type));
  if (!special_ids.prefix.empty() || !special_ids.suffix.empty()) {
    return UnsupportedComponent(processor, "more than one post-processor that adds tokens");
  }
  return type == "TemplateProcessing" ? ReadTemplate(processor, special_ids)
                                      : ReadClsAndSep(processor, special_ids);
}

// "<pad>" or {"content": "<pad>", …}; absent or null gives "".
absl::StatusOr<std::string> ReadTokenName(const JsonReader& config, const char* key) {
  if (!config.Has(key)) return std::string();
  if (config.value()[key].is_string()) return config.String(key);
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader token, config.Object(key));
  return token.String("content");
}

}  // namespace

absl::Status UnsupportedComponent(const JsonReader& where, absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat(where.path(), ": ", what,
                                               " is not supported; docs/models.md lists the tokenizers that "
                                               "this version reads"));
}

absl::StatusOr<int32_t> ReadTokenId(const Json& id, const JsonReader& where) {
  if (!id.is_number_unsigned() || id.get<uint64_t>() >= uint64_t{kMostTokens}) {
    return where.Error(absl::StrCat("a token id must be a whole number from 0 to ", kMostTokens - 1));
  }
  return id.get<int32_t>();
}

absl::StatusOr<SpecialIds> ReadPostProcessor(const JsonReader& root) {
  SpecialIds special_ids;
  if (!root.Has("post_processor")) return special_ids;
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader processor, root.Object("post_processor"));
  EIDETIC_ASSIGN_OR_RETURN(const std::string type, processor.String("type"));
  if (type != "Sequence") {
    EIDETIC_RETURN_IF_ERROR(ReadProcessor(processor, special_ids));
    return special_ids;
  }
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader parts, processor.Array("processors"));
  for (const Json& part : parts.value()) {
    EIDETIC_RETURN_IF_ERROR(ReadProcessor(JsonReader(part, parts.path()), special_ids));
  }
  return special_ids;
}

absl::StatusOr<std::vector<AddedToken>> ReadAddedTokens(const JsonReader& root) {
  std::vector<AddedToken> added_tokens;
  if (!root.Has("added_tokens")) return added_tokens;
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader tokens, root.Array("added_tokens"));
  if (tokens.value().size() > kMostAddedTokens) {
    return tokens.Error(
        absl::StrCat("has ", tokens.value().size(), " tokens; at most ", kMostAddedTokens, " are read"));
  }
  for (const Json& element : tokens.value()) {
    const JsonReader token(element, tokens.path());
    AddedToken added;
    EIDETIC_ASSIGN_OR_RETURN(added.content, token.String("content"));
    EIDETIC_ASSIGN_OR_RETURN(const int64_t id, token.Integer("id", 0, kMostTokens - 1));
    added.id = static_cast<int32_t>(id);
    EIDETIC_ASSIGN_OR_RETURN(added.normalized, token.Bool("normalized", false));
    EIDETIC_ASSIGN_OR_RETURN(added.strips_left, token.Bool("lstrip", false));
    EIDETIC_ASSIGN_OR_RETURN(added.strips_right, token.Bool("rstrip", false));
    EIDETIC_ASSIGN_OR_RETURN(const bool single_word, token.Bool("single_word", false));
    if (single_word)
      return UnsupportedComponent(token, absl::StrCat("\"", added.content, "\" with single_word"));
    if (!added.content.empty()) added_tokens.push_back(std::move(added));
  }
  return added_tokens;
}

absl::StatusOr<TokenizerConfig> ReadTokenizerConfig(absl::string_view text) {
  TokenizerConfig config;
  if (text.empty()) return config;
  EIDETIC_ASSIGN_OR_RETURN(const Json document, ParseJson(text, kTokenizerConfigFile));
  const JsonReader reader(document, kTokenizerConfigFile);
  if (!document.is_object()) return reader.Error("must be an object");
  if (reader.Has("model_max_length")) {
    const Json& length = document["model_max_length"];
    if (!length.is_number() || length.get<double>() < 1) {
      return reader.Error("model_max_length must be a number of at least 1");
    }
    config.model_max_length = length.get<double>();
  }
  if (reader.Has("do_lower_case")) {
    EIDETIC_ASSIGN_OR_RETURN(config.lowercase, reader.Bool("do_lower_case", false));
  }
  EIDETIC_ASSIGN_OR_RETURN(config.pad_token, ReadTokenName(reader, "pad_token"));
  EIDETIC_ASSIGN_OR_RETURN(config.bos_token, ReadTokenName(reader, "bos_token"));
  EIDETIC_ASSIGN_OR_RETURN(config.eos_token, ReadTokenName(reader, "eos_token"));
  EIDETIC_ASSIGN_OR_RETURN(config.add_bos_token, reader.Bool("add_bos_token", false));
  EIDETIC_ASSIGN_OR_RETURN(config.add_eos_token, reader.Bool("add_eos_token", false));
  return config;
}

absl::StatusOr<LengthRules> ReadLengthRules(const JsonReader& root, const TokenizerConfig& config,
                                            int max_positions) {
  LengthRules rules{.max_length = max_positions};
  if (root.Has("truncation")) {
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader truncation, root.Object("truncation"));
    EIDETIC_ASSIGN_OR_RETURN(const std::string direction, truncation.StringOr("direction", "Right"));
    if (direction != "Right") return UnsupportedComponent(truncation, "truncation from the left");
    EIDETIC_ASSIGN_OR_RETURN(const int64_t length,
                             truncation.IntegerOr("max_length", 1, kMostPositions, max_positions));
    rules.max_length = static_cast<int>(std::min<int64_t>(rules.max_length, length));
  }
  // Exporters write a number far out of range for "none".
  if (config.model_max_length && *config.model_max_length < rules.max_length) {
    rules.max_length = static_cast<int>(*config.model_max_length);
  }
  if (!root.Has("padding")) return rules;
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader padding, root.Object("padding"));
  EIDETIC_ASSIGN_OR_RETURN(const int64_t pad_id, padding.IntegerOr("pad_id", 0, kMostTokens - 1, 0));
  rules.pad_id = static_cast<int32_t>(pad_id);
  if (padding.Has("strategy") && padding.value()["strategy"].is_object()) {
    EIDETIC_ASSIGN_OR_RETURN(const std::string direction, padding.StringOr("direction", "Right"));
    if (direction != "Right") return UnsupportedComponent(padding, "padding on the left");
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader strategy, padding.Object("strategy"));
    EIDETIC_ASSIGN_OR_RETURN(const int64_t length, strategy.IntegerOr("Fixed", 1, kMostPositions, 0));
    rules.pad_length = static_cast<int>(length);
  }
  return rules;
}

}  // namespace eidetic::encoder
