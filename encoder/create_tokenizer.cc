#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encoder/json_reader.h"
#include "encoder/model_folder.h"
#include "encoder/tokenizer.h"
#include "encoder/wordpiece_tokenizer.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMostTokens = 4'000'000;
constexpr int64_t kMostPositions = 1 << 20;
constexpr size_t kMostAddedTokens = 4096;
constexpr int64_t kLongestWord = 10'000;

absl::Status Unimplemented(const JsonReader& where, absl::string_view what) {
  return absl::UnimplementedError(absl::StrCat(where.path(), ": ", what,
                                               " is not supported; this version reads WordPiece tokenizers "
                                               "of the BERT kind"));
}

absl::StatusOr<int32_t> TokenId(const Json& id, const JsonReader& where) {
  if (!id.is_number_unsigned() || id.get<uint64_t>() >= uint64_t{kMostTokens}) {
    return where.Error(absl::StrCat("a token id must be a whole number from 0 to ", kMostTokens - 1));
  }
  return id.get<int32_t>();
}

absl::Status ReadVocabulary(const JsonReader& model, WordPieceRules& rules) {
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader vocabulary, model.Object("vocab"));
  rules.vocabulary.reserve(vocabulary.value().size());
  for (const auto& [piece, id] : vocabulary.value().items()) {
    EIDETIC_ASSIGN_OR_RETURN(const int32_t value, TokenId(id, vocabulary));
    rules.vocabulary.emplace(piece, value);
  }
  return absl::OkStatus();
}

absl::Status ReadModel(const JsonReader& root, WordPieceRules& rules) {
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader model, root.Object("model"));
  EIDETIC_ASSIGN_OR_RETURN(const std::string family, model.String("type"));
  if (family != "WordPiece") return Unimplemented(model, absl::StrCat("a tokenizer of the family ", family));
  EIDETIC_RETURN_IF_ERROR(ReadVocabulary(model, rules));
  EIDETIC_ASSIGN_OR_RETURN(const std::string unknown, model.StringOr("unk_token", "[UNK]"));
  const auto found = rules.vocabulary.find(unknown);
  if (found == rules.vocabulary.end()) {
    return model.Error(absl::StrCat("unk_token \"", unknown, "\" is not in the vocabulary"));
  }
  rules.unknown_id = found->second;
  EIDETIC_ASSIGN_OR_RETURN(rules.continuing_prefix, model.StringOr("continuing_subword_prefix", "##"));
  EIDETIC_ASSIGN_OR_RETURN(const int64_t longest_word,
                           model.IntegerOr("max_input_chars_per_word", 1, kLongestWord, 100));
  rules.max_word_characters = static_cast<size_t>(longest_word);
  return absl::OkStatus();
}

absl::Status ReadNormalizer(const JsonReader& root, WordPieceRules& rules) {
  if (!root.Has("normalizer")) {
    rules.clean_text = rules.split_ideographs = rules.strip_accents = rules.lowercase = false;
    return absl::OkStatus();
  }
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader normalizer, root.Object("normalizer"));
  EIDETIC_ASSIGN_OR_RETURN(const std::string type, normalizer.String("type"));
  if (type != "BertNormalizer") return Unimplemented(normalizer, absl::StrCat("the normalizer ", type));
  EIDETIC_ASSIGN_OR_RETURN(rules.clean_text, normalizer.Bool("clean_text", true));
  EIDETIC_ASSIGN_OR_RETURN(rules.split_ideographs, normalizer.Bool("handle_chinese_chars", true));
  EIDETIC_ASSIGN_OR_RETURN(rules.lowercase, normalizer.Bool("lowercase", true));
  // null follows lowercase.
  EIDETIC_ASSIGN_OR_RETURN(rules.strip_accents, normalizer.Bool("strip_accents", rules.lowercase));
  return absl::OkStatus();
}

absl::Status CheckPreTokenizer(const JsonReader& root) {
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader pre_tokenizer, root.Object("pre_tokenizer"));
  EIDETIC_ASSIGN_OR_RETURN(const std::string type, pre_tokenizer.String("type"));
  if (type == "BertPreTokenizer") return absl::OkStatus();
  return Unimplemented(pre_tokenizer, absl::StrCat("the pre-tokenizer ", type));
}

// {"single": [{"SpecialToken": {"id": "[CLS]"}}, {"Sequence": {"id": "A"}}, …],
//  "special_tokens": {"[CLS]": {"ids": [101]}}}
absl::Status ReadTemplate(const JsonReader& processor, WordPieceRules& rules) {
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
      EIDETIC_ASSIGN_OR_RETURN(const int32_t value, TokenId(id, ids));
      (text_seen ? rules.suffix_ids : rules.prefix_ids).push_back(value);
    }
  }
  if (!text_seen) return single.Error("has no {\"Sequence\": …} for the text");
  return absl::OkStatus();
}

// {"sep": ["[SEP]", 102], "cls": ["[CLS]", 101]}
absl::Status ReadBertProcessing(const JsonReader& processor, WordPieceRules& rules) {
  for (const char* key : {"cls", "sep"}) {
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader pair, processor.Array(key));
    if (pair.value().size() != 2) return pair.Error("must be [token, id]");
    EIDETIC_ASSIGN_OR_RETURN(const int32_t id, TokenId(pair.value()[1], pair));
    (key[0] == 'c' ? rules.prefix_ids : rules.suffix_ids).push_back(id);
  }
  return absl::OkStatus();
}

absl::Status ReadPostProcessor(const JsonReader& root, WordPieceRules& rules) {
  if (!root.Has("post_processor")) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader processor, root.Object("post_processor"));
  EIDETIC_ASSIGN_OR_RETURN(const std::string type, processor.String("type"));
  if (type == "TemplateProcessing") return ReadTemplate(processor, rules);
  if (type == "BertProcessing") return ReadBertProcessing(processor, rules);
  return Unimplemented(processor, absl::StrCat("the post-processor ", type));
}

absl::Status ReadAddedTokens(const JsonReader& root, WordPieceRules& rules) {
  if (!root.Has("added_tokens")) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader tokens, root.Array("added_tokens"));
  if (tokens.value().size() > kMostAddedTokens) {
    return tokens.Error(
        absl::StrCat("has ", tokens.value().size(), " tokens; at most ", kMostAddedTokens, " are read"));
  }
  for (const Json& element : tokens.value()) {
    const JsonReader token(element, tokens.path());
    WordPieceRules::AddedToken added;
    EIDETIC_ASSIGN_OR_RETURN(added.content, token.String("content"));
    EIDETIC_ASSIGN_OR_RETURN(const int64_t id, token.Integer("id", 0, kMostTokens - 1));
    added.id = static_cast<int32_t>(id);
    EIDETIC_ASSIGN_OR_RETURN(const bool normalized, token.Bool("normalized", false));
    EIDETIC_ASSIGN_OR_RETURN(const bool single_word, token.Bool("single_word", false));
    // lstrip and rstrip change nothing here: words never keep the spaces around them.
    if (normalized || single_word) {
      return Unimplemented(token, absl::StrCat("\"", added.content, "\" with normalized or single_word"));
    }
    rules.added_tokens.push_back(std::move(added));
  }
  return absl::OkStatus();
}

absl::Status ReadPadding(const JsonReader& root, WordPieceRules& rules) {
  if (root.Has("padding")) {
    EIDETIC_ASSIGN_OR_RETURN(const JsonReader padding, root.Object("padding"));
    EIDETIC_ASSIGN_OR_RETURN(const int64_t id, padding.IntegerOr("pad_id", 0, kMostTokens - 1, 0));
    rules.pad_id = static_cast<int32_t>(id);
    return absl::OkStatus();
  }
  const auto found = rules.vocabulary.find("[PAD]");
  if (found != rules.vocabulary.end()) rules.pad_id = found->second;
  return absl::OkStatus();
}

absl::Status ReadTruncation(const JsonReader& root, WordPieceRules& rules) {
  if (!root.Has("truncation")) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader truncation, root.Object("truncation"));
  EIDETIC_ASSIGN_OR_RETURN(const std::string direction, truncation.StringOr("direction", "Right"));
  if (direction != "Right") return Unimplemented(truncation, "truncation from the left");
  EIDETIC_ASSIGN_OR_RETURN(const int64_t length,
                           truncation.IntegerOr("max_length", 1, kMostPositions, rules.max_length));
  rules.max_length = static_cast<int>(std::min<int64_t>(rules.max_length, length));
  return absl::OkStatus();
}

// Its model_max_length; absent, or far out of range as exporters write it for
// "none", it does not count.
absl::Status ReadTokenizerConfig(absl::string_view text, WordPieceRules& rules) {
  if (text.empty()) return absl::OkStatus();
  EIDETIC_ASSIGN_OR_RETURN(const Json document, ParseJson(text, kTokenizerConfigFile));
  const JsonReader config(document, kTokenizerConfigFile);
  if (!document.is_object()) return config.Error("must be an object");
  if (!config.Has("model_max_length")) return absl::OkStatus();
  const Json& length = document["model_max_length"];
  if (!length.is_number() || length.get<double>() < 1) {
    return config.Error("model_max_length must be a number of at least 1");
  }
  if (length.get<double>() < rules.max_length) rules.max_length = static_cast<int>(length.get<double>());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> CreateTokenizer(absl::string_view tokenizer_json,
                                                           absl::string_view tokenizer_config_json,
                                                           int max_positions) {
  EIDETIC_ASSIGN_OR_RETURN(const Json document, ParseJson(tokenizer_json, kTokenizerFile));
  const JsonReader root(document, kTokenizerFile);
  WordPieceRules rules;
  rules.max_length = max_positions;
  EIDETIC_RETURN_IF_ERROR(ReadModel(root, rules));
  EIDETIC_RETURN_IF_ERROR(ReadNormalizer(root, rules));
  EIDETIC_RETURN_IF_ERROR(CheckPreTokenizer(root));
  EIDETIC_RETURN_IF_ERROR(ReadPostProcessor(root, rules));
  EIDETIC_RETURN_IF_ERROR(ReadAddedTokens(root, rules));
  EIDETIC_RETURN_IF_ERROR(ReadPadding(root, rules));
  EIDETIC_RETURN_IF_ERROR(ReadTruncation(root, rules));
  EIDETIC_RETURN_IF_ERROR(ReadTokenizerConfig(tokenizer_config_json, rules));
  absl::StatusOr<std::unique_ptr<WordPieceTokenizer>> tokenizer =
      WordPieceTokenizer::Create(std::move(rules));
  if (!tokenizer.ok()) return AddContext(tokenizer.status(), kTokenizerFile);
  return *std::move(tokenizer);
}

}  // namespace eidetic::encoder
