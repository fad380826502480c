#include "encoder/wordpiece_tokenizer.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "encoder/bert_characters.h"
#include "encoder/utf8.h"

namespace eidetic::encoder {
namespace {

constexpr size_t kByteValues = 256;
constexpr char32_t kReplacementCharacter = 0xFFFD;

}  // namespace

absl::StatusOr<std::unique_ptr<WordPieceTokenizer>> WordPieceTokenizer::Create(WordPieceRules rules) {
  const size_t special_ids = rules.special_ids.prefix.size() + rules.special_ids.suffix.size();
  if (rules.max_length < 1 || static_cast<size_t>(rules.max_length) <= special_ids) {
    return absl::InvalidArgumentError(absl::StrCat("a text may have ", rules.max_length, " tokens, of which ",
                                                   special_ids, " are special: no room for words"));
  }
  return absl::WrapUnique(new WordPieceTokenizer(std::move(rules)));
}

WordPieceTokenizer::WordPieceTokenizer(WordPieceRules rules)
    : rules_(std::move(rules)), added_tokens_by_first_byte_(kByteValues) {
  for (const auto& [piece, id] : rules_.vocabulary) {
    longest_piece_ = std::max(longest_piece_, piece.size());
    vocabulary_size_ = std::max<int64_t>(vocabulary_size_, id + int64_t{1});
  }
  for (size_t i = 0; i < rules_.added_tokens.size(); ++i) {
    const AddedToken& token = rules_.added_tokens[i];
    vocabulary_size_ = std::max<int64_t>(vocabulary_size_, token.id + int64_t{1});
    if (token.content.empty()) continue;
    added_tokens_by_first_byte_[static_cast<uint8_t>(token.content[0])].push_back(static_cast<uint16_t>(i));
  }
  for (std::vector<uint16_t>& indexes : added_tokens_by_first_byte_) {
    std::stable_sort(indexes.begin(), indexes.end(), [this](uint16_t a, uint16_t b) {
      return rules_.added_tokens[a].content.size() > rules_.added_tokens[b].content.size();
    });
  }
}

std::vector<int64_t> WordPieceTokenizer::Encode(absl::string_view text) const {
  const size_t limit = static_cast<size_t>(rules_.max_length) - rules_.special_ids.suffix.size();
  std::vector<int64_t> ids(rules_.special_ids.prefix.begin(), rules_.special_ids.prefix.end());
  // Added tokens are found in the raw text, before any clean-up. What follows
  // the last id that fits cannot change the ones before, so nothing is done
  // with it.
  size_t segment_start = 0;
  size_t position = 0;
  while (position < text.size() && ids.size() < limit) {
    const AddedToken* token = FindAddedToken(text.substr(position));
    if (token == nullptr) {
      ++position;
      continue;
    }
    EncodeSegment(text.substr(segment_start, position - segment_start), limit, ids);
    if (ids.size() < limit) ids.push_back(token->id);
    position += token->content.size();
    segment_start = position;
  }
  EncodeSegment(text.substr(segment_start), limit, ids);
  ids.insert(ids.end(), rules_.special_ids.suffix.begin(), rules_.special_ids.suffix.end());
  return ids;
}

const AddedToken* WordPieceTokenizer::FindAddedToken(absl::string_view text) const {
  for (const uint16_t index : added_tokens_by_first_byte_[static_cast<uint8_t>(text[0])]) {
    if (absl::StartsWith(text, rules_.added_tokens[index].content)) return &rules_.added_tokens[index];
  }
  return nullptr;
}

void WordPieceTokenizer::EncodeSegment(absl::string_view segment, size_t limit,
                                       std::vector<int64_t>& ids) const {
  // A space always ends a word and no normalisation reaches across it.
  while (!segment.empty() && ids.size() < limit) {
    const absl::string_view part = segment.substr(0, segment.find(' '));
    segment.remove_prefix(std::min(segment.size(), part.size() + 1));
    EncodeNormalized(Normalize(part), limit, ids);
  }
  if (ids.size() > limit) ids.resize(limit);
}

std::u32string WordPieceTokenizer::Normalize(absl::string_view text) const {
  std::u32string cleaned;
  cleaned.reserve(text.size());
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  for (size_t i = 0; i < text.size();) {
    UChar32 decoded = 0;
    U8_NEXT(bytes, i, text.size(), decoded);
    const char32_t c = decoded < 0 ? kReplacementCharacter : static_cast<char32_t>(decoded);
    if (rules_.clean_text && IsBertRemoved(c)) continue;
    if (rules_.clean_text && IsBertWhitespace(c)) {
      cleaned.push_back(U' ');
    } else if (rules_.split_ideographs && IsBertIdeograph(c)) {
      cleaned.append({U' ', c, U' '});
    } else {
      cleaned.push_back(c);
    }
  }
  if (rules_.strip_accents) cleaned = StripAccents(cleaned);
  if (!rules_.lowercase) return cleaned;
  std::u32string lower;
  lower.reserve(cleaned.size());
  for (const char32_t c : cleaned) AppendLowercase(c, lower);
  return lower;
}

void WordPieceTokenizer::EncodeNormalized(const std::u32string& text, size_t limit,
                                          std::vector<int64_t>& ids) const {
  std::u32string word;
  const auto end_word = [&] {
    if (!word.empty()) EncodeWord(word, ids);
    word.clear();
  };
  for (const char32_t c : text) {
    if (ids.size() >= limit) return;
    if (IsBertWhitespace(c)) {
      end_word();
    } else if (IsBertPunctuation(c)) {
      end_word();
      EncodeWord(std::u32string(1, c), ids);
    } else {
      word.push_back(c);
    }
  }
  end_word();
}

void WordPieceTokenizer::EncodeWord(const std::u32string& word, std::vector<int64_t>& ids) const {
  if (word.size() > rules_.max_word_characters) {
    ids.push_back(rules_.unknown_id);
    return;
  }
  std::string utf8;
  utf8.reserve(word.size());
  for (const char32_t c : word) AppendUtf8(c, utf8);

  const size_t first_id = ids.size();
  std::string piece;
  for (size_t start = 0; start < utf8.size();) {
    piece.assign(start == 0 ? "" : rules_.continuing_prefix);
    const size_t prefix_size = piece.size();
    const size_t room = longest_piece_ > prefix_size ? longest_piece_ - prefix_size : 0;
    piece.append(utf8, start, room);
    auto found = rules_.vocabulary.end();
    // Cut bytes from the end until it is in the vocabulary. A cut inside a
    // character finds nothing: pieces are whole characters.
    while (piece.size() > prefix_size) {
      found = rules_.vocabulary.find(absl::string_view(piece));
      if (found != rules_.vocabulary.end()) break;
      do piece.pop_back();
      while (piece.size() > prefix_size && U8_IS_TRAIL(utf8[start + piece.size() - prefix_size]));
    }
    if (found == rules_.vocabulary.end()) {
      ids.resize(first_id);
      ids.push_back(rules_.unknown_id);
      return;
    }
    ids.push_back(found->second);
    start += piece.size() - prefix_size;
  }
}

std::string WordPieceTokenizer::Describe() const {
  return absl::StrCat("WordPiece, ", vocabulary_size_, " tokens, ",
                      rules_.lowercase ? "lower case, " : "case kept, ",
                      rules_.strip_accents ? "accents removed" : "accents kept", ", at most ",
                      rules_.max_length, " tokens a text");
}

}  // namespace eidetic::encoder
