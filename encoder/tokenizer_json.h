// The parts of a tokenizer.json that all families share: added tokens, special
// tokens around a text, padding, truncation. Stateless; any thread.
//
//   ASSIGN_OR_RETURN(SpecialIds special, ReadPostProcessor(root));
//   ids = special.prefix + model(text) + special.suffix
#ifndef EIDETIC_ENCODER_TOKENIZER_JSON_H_
#define EIDETIC_ENCODER_TOKENIZER_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/json_reader.h"

namespace eidetic::encoder {

// As errors name them.
inline constexpr char kTokenizerFile[] = "tokenizer.json";
inline constexpr char kTokenizerConfigFile[] = "tokenizer_config.json";

inline constexpr int64_t kMostTokens = 4'000'000;

// A string that is one token wherever it stands in a text.
struct AddedToken {
  std::string content;
  int32_t id = 0;
  // Takes the spaces before or behind it along.
  bool strips_left = false;
  bool strips_right = false;
  // Looked for after normalization, and itself normalized; otherwise in the text as it came.
  bool normalized = false;
};

// Ids put before and after every text.
struct SpecialIds {
  std::vector<int32_t> prefix;
  std::vector<int32_t> suffix;
};

// Smallest limit of the files and the given one, and how texts are filled up.
struct LengthRules {
  int max_length = 0;
  // Texts are filled up to so many tokens; 0: not said.
  int pad_length = 0;
  std::optional<int32_t> pad_id;
};

// What tokenizer_config.json says and we use.
struct TokenizerConfig {
  std::optional<double> model_max_length;
  std::optional<bool> lowercase;  // do_lower_case
  std::string pad_token;          // empty: not said
  std::string bos_token;
  std::string eos_token;
  bool add_bos_token = false;
  bool add_eos_token = false;
};

// kUnimplemented that names the component and where it stands.
absl::Status UnsupportedComponent(const JsonReader& where, absl::string_view what);

absl::StatusOr<int32_t> ReadTokenId(const nlohmann::json& id, const JsonReader& where);

// BertProcessing, RobertaProcessing, TemplateProcessing, ByteLevel or a Sequence of them.
absl::StatusOr<SpecialIds> ReadPostProcessor(const JsonReader& root);

absl::StatusOr<std::vector<AddedToken>> ReadAddedTokens(const JsonReader& root);

absl::StatusOr<TokenizerConfig> ReadTokenizerConfig(absl::string_view text);

// `padding`, `truncation` and the configuration's model_max_length.
absl::StatusOr<LengthRules> ReadLengthRules(const JsonReader& root, const TokenizerConfig& config,
                                            int max_positions);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_TOKENIZER_JSON_H_
