#include "encoder/unigram_model.h"

#include <unicode/bytestrie.h>
#include <unicode/bytestriebuilder.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cmath>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encoder/tokenizer_json.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

// An unknown character costs so much more than the worst token.
constexpr double kUnknownPenalty = 10;

}  // namespace

absl::StatusOr<std::unique_ptr<UnigramModel>> UnigramModel::FromJson(const JsonReader& model) {
  auto result = absl::WrapUnique(new UnigramModel());
  EIDETIC_ASSIGN_OR_RETURN(const JsonReader vocabulary, model.Array("vocab"));
  const auto count = static_cast<int64_t>(vocabulary.value().size());
  if (count == 0 || count > kMostTokens) {
    return vocabulary.Error(absl::StrCat("must have 1 to ", kMostTokens, " tokens"));
  }
  double lowest = 0;
  for (const nlohmann::json& entry : vocabulary.value()) {
    const bool is_pair =
        entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number();
    if (!is_pair || !std::isfinite(entry[1].get<double>())) {
      return vocabulary.Error("must hold pairs of a token and its score");
    }
    // Of two equal tokens the reference finds the last.
    result->vocabulary_[entry[0].get_ref<const std::string&>()] =
        static_cast<int32_t>(result->scores_.size());
    result->scores_.push_back(entry[1].get<double>());
    lowest = std::min(lowest, result->scores_.back());
  }
  EIDETIC_ASSIGN_OR_RETURN(const int64_t unknown, model.Integer("unk_id", 0, count - 1));
  EIDETIC_ASSIGN_OR_RETURN(result->byte_fallback_, model.Bool("byte_fallback", false));
  result->unknown_id_ = static_cast<int32_t>(unknown);
  result->unknown_score_ = lowest - kUnknownPenalty;
  EIDETIC_RETURN_IF_ERROR(result->BuildTrie(model));
  return result;
}

absl::Status UnigramModel::BuildTrie(const JsonReader& model) {
  UErrorCode error = U_ZERO_ERROR;
  icu::BytesTrieBuilder builder(error);
  for (const auto& [token, id] : vocabulary_) {
    if (!token.empty())
      builder.add(icu::StringPiece(token.data(), static_cast<int32_t>(token.size())), id, error);
  }
  const icu::StringPiece trie = builder.buildStringPiece(USTRINGTRIE_BUILD_SMALL, error);
  if (U_FAILURE(error))
    return model.Error(absl::StrCat("the vocabulary cannot be indexed: ", u_errorName(error)));
  trie_.assign(trie.data(), trie.length());
  return absl::OkStatus();
}

void UnigramModel::Encode(absl::string_view piece, std::vector<int64_t>& ids) const {
  // The best way to end at a byte.
  struct Node {
    double score = 0;
    int32_t start = -1;
    int32_t id = 0;
  };
  std::vector<Node> ends(piece.size() + 1);
  const auto offer = [&ends](size_t start, size_t end, double score, int32_t id) {
    Node& node = ends[end];
    const double total = ends[start].score + score;
    if (node.start < 0 || total > node.score) {
      node = {.score = total, .start = static_cast<int32_t>(start), .id = id};
    }
  };
  for (size_t start = 0; start < piece.size();) {
    size_t next = start + 1;
    while (next < piece.size() && U8_IS_TRAIL(static_cast<uint8_t>(piece[next]))) ++next;
    bool character_found = false;
    icu::BytesTrie trie(trie_.data());
    for (size_t end = start; end < piece.size();) {
      const UStringTrieResult result = trie.next(static_cast<uint8_t>(piece[end++]));
      if (USTRINGTRIE_HAS_VALUE(result)) {
        const int32_t id = trie.getValue();
        offer(start, end, scores_[id], id);
        character_found = character_found || end == next;
      }
      if (!USTRINGTRIE_HAS_NEXT(result)) break;
    }
    if (!character_found) offer(start, next, unknown_score_, unknown_id_);
    start = next;
  }

  struct Cut {
    size_t start;
    size_t end;
    bool unknown;
  };
  std::vector<Cut> cuts;  // from the end; unknown ones in a row are one
  for (size_t end = piece.size(); end > 0;) {
    const Node& node = ends[end];
    const bool unknown = node.id == unknown_id_;
    if (unknown && !cuts.empty() && cuts.back().unknown) {
      cuts.back().start = node.start;
    } else {
      cuts.push_back({.start = static_cast<size_t>(node.start), .end = end, .unknown = unknown});
    }
    end = node.start;
  }
  for (auto cut = cuts.rbegin(); cut != cuts.rend(); ++cut) {
    AppendIds(piece.substr(cut->start, cut->end - cut->start), ids);
  }
}

void UnigramModel::AppendIds(absl::string_view token, std::vector<int64_t>& ids) const {
  if (const std::optional<int32_t> id = Find(token)) {
    ids.push_back(*id);
    return;
  }
  if (byte_fallback_) {
    std::vector<int64_t> bytes;
    for (const char c : token) {
      const std::optional<int32_t> id = Find(ByteToken(static_cast<uint8_t>(c)));
      if (!id) break;
      bytes.push_back(*id);
    }
    if (bytes.size() == token.size()) {
      ids.insert(ids.end(), bytes.begin(), bytes.end());
      return;
    }
  }
  ids.push_back(unknown_id_);
}

std::string UnigramModel::Describe() const {
  return byte_fallback_ ? "Unigram with byte fallback" : "Unigram";
}

}  // namespace eidetic::encoder
