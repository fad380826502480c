#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encoder/bpe_model.h"
#include "encoder/json_reader.h"
#include "encoder/pipeline_tokenizer.h"
#include "encoder/tokenizer.h"
#include "encoder/tokenizer_json.h"
#include "encoder/unigram_model.h"
#include "encoder/wordpiece_tokenizer.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

using Json = nlohmann::json;
using TokenizerOr = absl::StatusOr<std::unique_ptr<Tokenizer>>;

constexpr int64_t kLongestWord = 10'000;

absl::Status ReadWordPieceModel(const JsonReader& model, WordPieceRules& rules) {
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader vocabulary, model.Object("vocab"));
  rules.vocabulary.reserve(vocabulary.value().size());
  for (const auto& [piece, id] : vocabulary.value().items()) {
    EIDETIC_ASSIGN_OR_RETURN(const int32_t value, ReadTokenId(id, vocabulary));
    rules.vocabulary.emplace(piece, value);
  }
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

absl::Status ReadBertNormalizer(const JsonReader& root, const TokenizerConfig& config,
                                WordPieceRules& rules) {
  if (!root.Has("normalizer")) {
    rules.clean_text = rules.split_ideographs = rules.strip_accents = rules.lowercase = false;
    return absl::OkStatus();
  }
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader normalizer, root.Object("normalizer"));
  EIDETIC_ASSIGN_OR_RETURN(const std::string type, normalizer.String("type"));
  if (type != "BertNormalizer") {
    return UnsupportedComponent(normalizer, absl::StrCat("the normalizer ", type, " with WordPiece"));
  }
  EIDETIC_ASSIGN_OR_RETURN(rules.clean_text, normalizer.Bool("clean_text", true));
  EIDETIC_ASSIGN_OR_RETURN(rules.split_ideographs, normalizer.Bool("handle_chinese_chars", true));
  EIDETIC_ASSIGN_OR_RETURN(rules.lowercase, normalizer.Bool("lowercase", true));
  // As the reference does: the configuration has the last word.
  rules.lowercase = config.lowercase.value_or(rules.lowercase);
  // null follows lowercase.
  EIDETIC_ASSIGN_OR_RETURN(rules.strip_accents, normalizer.Bool("strip_accents", rules.lowercase));
  return absl::OkStatus();
}

absl::Status CheckBertPreTokenizer(const JsonReader& root) {
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader pre_tokenizer, root.Object("pre_tokenizer"));
  EIDETIC_ASSIGN_OR_RETURN(const std::string type, pre_tokenizer.String("type"));
  if (type == "BertPreTokenizer") return absl::OkStatus();
  return UnsupportedComponent(pre_tokenizer, absl::StrCat("the pre-tokenizer ", type, " with WordPiece"));
}

TokenizerOr CreateWordPiece(const JsonReader& root, const JsonReader& model, const TokenizerConfig& config,
                            int max_positions) {
  WordPieceRules rules;
  EIDETIC_RETURN_IF_ERROR(ReadWordPieceModel(model, rules));
  EIDETIC_RETURN_IF_ERROR(ReadBertNormalizer(root, config, rules));
  EIDETIC_RETURN_IF_ERROR(CheckBertPreTokenizer(root));
  EIDETIC_ASSIGN_OR_RETURN(rules.special_ids, ReadPostProcessor(root));
  EIDETIC_ASSIGN_OR_RETURN(rules.added_tokens, ReadAddedTokens(root));
  for (const AddedToken& token : rules.added_tokens) {
    // Stripping spaces changes nothing here: words never keep the spaces around them.
    if (token.normalized) {
      return UnsupportedComponent(
          root, absl::StrCat("the added token \"", token.content, "\" with normalized, in WordPiece,"));
    }
  }
  EIDETIC_ASSIGN_OR_RETURN(const LengthRules lengths, ReadLengthRules(root, config, max_positions));
  rules.max_length = lengths.max_length;
  rules.pad_length = lengths.pad_length;
  const auto pad = rules.vocabulary.find(config.pad_token.empty() ? "[PAD]" : config.pad_token);
  rules.pad_id = lengths.pad_id.value_or(pad == rules.vocabulary.end() ? 0 : pad->second);
  return WordPieceTokenizer::Create(std::move(rules));
}

absl::StatusOr<int32_t> IdOf(const PipelineParts& parts, const std::string& token, const char* key) {
  for (const AddedToken& added : parts.added_tokens) {
    if (added.content == token) return parts.model->Find(token).value_or(added.id);
  }
  if (const std::optional<int32_t> id = parts.model->Find(token)) return *id;
  return absl::InvalidArgumentError(
      absl::StrCat(kTokenizerConfigFile, ": ", key, " \"", token, "\" is not in ", kTokenizerFile));
}

// add_bos_token and add_eos_token, where tokenizer.json has no post-processor.
absl::Status AddConfiguredTokens(const TokenizerConfig& config, PipelineParts& parts) {
  if (!parts.special_ids.prefix.empty() || !parts.special_ids.suffix.empty()) return absl::OkStatus();
  if (config.add_bos_token && !config.bos_token.empty()) {
    EIDETIC_ASSIGN_OR_RETURN(const int32_t id, IdOf(parts, config.bos_token, "bos_token"));
    parts.special_ids.prefix.push_back(id);
  }
  if (config.add_eos_token && !config.eos_token.empty()) {
    EIDETIC_ASSIGN_OR_RETURN(const int32_t id, IdOf(parts, config.eos_token, "eos_token"));
    parts.special_ids.suffix.push_back(id);
  }
  return absl::OkStatus();
}

TokenizerOr CreatePipeline(const JsonReader& root, std::unique_ptr<const TokenModel> model,
                           const TokenizerConfig& config, const TokenizerOptions& options) {
  EIDETIC_ASSIGN_OR_RETURN(TextNormalizer normalizer, TextNormalizer::FromJson(root));
  EIDETIC_ASSIGN_OR_RETURN(PreTokenizer pre_tokenizer, PreTokenizer::FromJson(root));
  if (config.lowercase.value_or(false) && !normalizer.lowercases()) normalizer.LowercaseFirst();
  PipelineParts parts{.normalizer = std::move(normalizer),
                      .pre_tokenizer = std::move(pre_tokenizer),
                      .model = std::move(model)};
  EIDETIC_ASSIGN_OR_RETURN(parts.added_tokens, ReadAddedTokens(root));
  EIDETIC_ASSIGN_OR_RETURN(parts.special_ids, ReadPostProcessor(root));
  EIDETIC_RETURN_IF_ERROR(AddConfiguredTokens(config, parts));
  EIDETIC_ASSIGN_OR_RETURN(parts.lengths, ReadLengthRules(root, config, options.max_positions));
  if (!parts.lengths.pad_id && !config.pad_token.empty()) {
    EIDETIC_ASSIGN_OR_RETURN(parts.lengths.pad_id, IdOf(parts, config.pad_token, "pad_token"));
  }
  if (!parts.lengths.pad_id) parts.lengths.pad_id = parts.model->Find("<pad>");
  return PipelineTokenizer::Create(std::move(parts));
}

// Old files leave the type out.
absl::StatusOr<std::string> FamilyOf(const JsonReader& model) {
  if (model.Has("type")) return model.String("type");
  if (model.Has("merges")) return "BPE";
  if (model.Has("vocab") && model.value()["vocab"].is_array()) return "Unigram";
  return model.String("type");
}

// Cleans a text and leaves the rest to another tokenizer.
class CleaningTokenizer final : public Tokenizer {
 public:
  CleaningTokenizer(std::unique_ptr<Tokenizer> tokenizer, TextCleaning cleaning)
      : tokenizer_(std::move(tokenizer)), cleaning_(cleaning) {}

  std::vector<int64_t> Encode(absl::string_view text) const override {
    return tokenizer_->Encode(CleanText(text, cleaning_));
  }
  int max_length() const override { return tokenizer_->max_length(); }
  int64_t pad_id() const override { return tokenizer_->pad_id(); }
  int pad_length() const override { return tokenizer_->pad_length(); }
  int64_t vocabulary_size() const override { return tokenizer_->vocabulary_size(); }
  std::string Describe() const override {
    const char* done = cleaning_ == TextCleaning::kCanonical   ? "canonical form"
                       : cleaning_ == TextCleaning::kLowercase ? "lower case, single spaces"
                                                               : "single spaces";
    return absl::StrCat(done, ", then ", tokenizer_->Describe());
  }

 private:
  const std::unique_ptr<Tokenizer> tokenizer_;
  const TextCleaning cleaning_;
};

TokenizerOr Create(const JsonReader& root, const TokenizerConfig& config, const TokenizerOptions& options) {
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader model, root.Object("model"));
  EIDETIC_ASSIGN_OR_RETURN(const std::string family, FamilyOf(model));
  if (family == "WordPiece") return CreateWordPiece(root, model, config, options.max_positions);
  if (family == "BPE") {
    EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<const TokenModel> bpe, BpeModel::FromJson(model));
    return CreatePipeline(root, std::move(bpe), config, options);
  }
  if (family == "Unigram") {
    EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<const TokenModel> unigram, UnigramModel::FromJson(model));
    return CreatePipeline(root, std::move(unigram), config, options);
  }
  return UnsupportedComponent(model, absl::StrCat("a tokenizer of the family ", family));
}

}  // namespace

TokenizerOr CreateTokenizer(absl::string_view tokenizer_json, absl::string_view tokenizer_config_json,
                            const TokenizerOptions& options) {
  EIDETIC_ASSIGN_OR_RETURN(const Json document, ParseJson(tokenizer_json, kTokenizerFile));
  EIDETIC_ASSIGN_OR_RETURN(const TokenizerConfig config, ReadTokenizerConfig(tokenizer_config_json));
  TokenizerOr tokenizer = Create(JsonReader(document, kTokenizerFile), config, options);
  const bool names_file =
      tokenizer.ok() || tokenizer.status().message().find("tokenizer") != absl::string_view::npos;
  if (!names_file) return AddContext(tokenizer.status(), kTokenizerFile);
  if (!tokenizer.ok() || options.cleaning == TextCleaning::kNone) return tokenizer;
  return std::make_unique<CleaningTokenizer>(*std::move(tokenizer), options.cleaning);
}

}  // namespace eidetic::encoder
