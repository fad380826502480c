#include "encoder/bpe_model.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <queue>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "encoder/tokenizer_json.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

using Json = nlohmann::json;

constexpr size_t kByteValues = 256;

// "a b" or ["a", "b"].
absl::StatusOr<std::pair<std::string, std::string>> ReadPair(const Json& merge, const JsonReader& merges) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return std::pair(merge[0].get<std::string>(), merge[1].get<std::string>());
  }
  if (merge.is_string()) {
    const auto& text = merge.get_ref<const std::string&>();
    const size_t space = text.find(' ');
    if (space != std::string::npos && text.find(' ', space + 1) == std::string::npos) {
      return std::pair(text.substr(0, space), text.substr(space + 1));
    }
  }
  return merges.Error("a merge must be two tokens, \"a b\" or [\"a\", \"b\"]");
}

}  // namespace

std::string ByteToken(uint8_t byte) { return absl::StrFormat("<0x%02X>", byte); }

absl::StatusOr<std::unique_ptr<BpeModel>> BpeModel::FromJson(const JsonReader& model) {
  auto result = absl::WrapUnique(new BpeModel());
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader vocabulary, model.Object("vocab"));
  result->vocabulary_.reserve(vocabulary.value().size());
  for (const auto& [token, id] : vocabulary.value().items()) {
    EIDETIC_ASSIGN_OR_RETURN(const int32_t value, ReadTokenId(id, vocabulary));
    result->vocabulary_.emplace(token, value);
  }
  if (model.Has("dropout") && model.value()["dropout"] != 0) {
    return UnsupportedComponent(model, "a dropout of merges, which makes ids random,");
  }
  EIDETIC_ASSIGN_OR_RETURN(result->continuing_prefix_, model.StringOr("continuing_subword_prefix", ""));
  EIDETIC_ASSIGN_OR_RETURN(result->end_of_word_suffix_, model.StringOr("end_of_word_suffix", ""));
  EIDETIC_ASSIGN_OR_RETURN(result->fuse_unknown_, model.Bool("fuse_unk", false));
  EIDETIC_ASSIGN_OR_RETURN(result->byte_fallback_, model.Bool("byte_fallback", false));
  EIDETIC_ASSIGN_OR_RETURN(result->ignore_merges_, model.Bool("ignore_merges", false));
  EIDETIC_ASSIGN_OR_RETURN(const std::string unknown, model.StringOr("unk_token", ""));
  if (!unknown.empty()) {
    result->unknown_id_ = result->Find(unknown);
    if (!result->unknown_id_) {
      return model.Error(absl::StrCat("unk_token \"", unknown, "\" is not in the vocabulary"));
    }
  }
  EIDETIC_RETURN_IF_ERROR(result->ReadMerges(model));
  if (result->byte_fallback_) {
    for (size_t byte = 0; byte < kByteValues; ++byte) {
      result->byte_ids_.push_back(result->Find(ByteToken(static_cast<uint8_t>(byte))).value_or(-1));
    }
  }
  return result;
}

absl::Status BpeModel::ReadMerges(const JsonReader& model) {
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader merges, model.Array("merges"));
  if (merges.value().size() > static_cast<size_t>(kMostTokens)) {
    return merges.Error(absl::StrCat("has ", merges.value().size(), " merges; at most ", kMostTokens));
  }
  merges_.reserve(merges.value().size());
  int32_t rank = 0;
  for (const Json& merge : merges.value()) {
    EIDETIC_ASSIGN_OR_RETURN(const auto pair, ReadPair(merge, merges));
    const auto& [left, right] = pair;
    const std::optional<int32_t> left_id = Find(left);
    const std::optional<int32_t> right_id = Find(right);
    // The prefix of a piece that continues a word does not stand inside the merged one.
    const absl::string_view rest =
        absl::string_view(right).substr(std::min(continuing_prefix_.size(), right.size()));
    const std::optional<int32_t> merged_id = Find(absl::StrCat(left, rest));
    if (!left_id || !right_id || !merged_id) {
      return merges.Error(absl::StrCat("\"", left, "\" and \"", right,
                                       "\": one of them, or both together, are not in the vocabulary"));
    }
    merges_[{*left_id, *right_id}] = {.rank = rank++, .id = *merged_id};
  }
  return absl::OkStatus();
}

std::vector<int32_t> BpeModel::Characters(absl::string_view piece) const {
  std::vector<int32_t> symbols;
  symbols.reserve(piece.size());
  bool unknown_pending = false;
  const auto flush_unknown = [&] {
    if (unknown_pending) symbols.push_back(*unknown_id_);
    unknown_pending = false;
  };
  std::string token;
  for (size_t start = 0; start < piece.size();) {
    size_t end = start + 1;
    while (end < piece.size() && U8_IS_TRAIL(static_cast<uint8_t>(piece[end]))) ++end;
    const absl::string_view prefix = start > 0 ? absl::string_view(continuing_prefix_) : "";
    const absl::string_view suffix = end == piece.size() ? absl::string_view(end_of_word_suffix_) : "";
    token = absl::StrCat(prefix, piece.substr(start, end - start), suffix);
    start = end;
    if (const std::optional<int32_t> id = Find(token)) {
      flush_unknown();
      symbols.push_back(*id);
      continue;
    }
    const bool as_bytes = byte_fallback_ && std::all_of(token.begin(), token.end(), [this](char c) {
                            return byte_ids_[static_cast<uint8_t>(c)] >= 0;
                          });
    if (as_bytes) {
      for (const char c : token) symbols.push_back(byte_ids_[static_cast<uint8_t>(c)]);
    } else if (unknown_id_) {
      if (!fuse_unknown_) flush_unknown();
      unknown_pending = true;
    }
  }
  flush_unknown();
  return symbols;
}

const BpeModel::Merge* BpeModel::FindMerge(int32_t left, int32_t right) const {
  const auto found = merges_.find(std::pair(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

// A queue of the pairs that can be merged, lowest rank first, leftmost first
// among equals; entries that a merge made out of date are passed over.
void BpeModel::MergeAll(std::vector<int32_t>& symbols) const {
  struct Candidate {
    int32_t rank;
    int32_t place;
    int32_t id;
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : place > other.place;
    }
  };
  constexpr int32_t kNone = -1;
  const auto count = static_cast<int32_t>(symbols.size());
  std::vector<int32_t> previous(symbols.size());
  std::vector<int32_t> next(symbols.size());
  std::priority_queue<Candidate> queue;
  const auto consider = [&](int32_t left) {
    if (left == kNone || next[left] == kNone) return;
    const Merge* merge = FindMerge(symbols[left], symbols[next[left]]);
    if (merge != nullptr) queue.push({.rank = merge->rank, .place = left, .id = merge->id});
  };
  for (int32_t i = 0; i < count; ++i) {
    previous[i] = i - 1;
    next[i] = i + 1 < count ? i + 1 : kNone;
  }
  for (int32_t i = 0; i + 1 < count; ++i) consider(i);
  constexpr int32_t kMerged = -1;
  while (!queue.empty()) {
    const Candidate candidate = queue.top();
    queue.pop();
    const int32_t left = candidate.place;
    if (symbols[left] == kMerged || next[left] == kNone) continue;
    const int32_t right = next[left];
    const Merge* merge = FindMerge(symbols[left], symbols[right]);
    if (merge == nullptr || merge->id != candidate.id) continue;
    symbols[left] = candidate.id;
    symbols[right] = kMerged;
    next[left] = next[right];
    if (next[right] != kNone) previous[next[right]] = left;
    consider(previous[left]);
    consider(left);
  }
  std::erase(symbols, kMerged);
}

void BpeModel::Encode(absl::string_view piece, std::vector<int64_t>& ids) const {
  if (ignore_merges_) {
    if (const std::optional<int32_t> whole = Find(piece)) {
      ids.push_back(*whole);
      return;
    }
  }
  std::vector<int32_t> symbols = Characters(piece);
  MergeAll(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

std::string BpeModel::Describe() const { return byte_fallback_ ? "BPE with byte fallback" : "BPE"; }

}  // namespace eidetic::encoder
