#include "encoder/pipeline_tokenizer.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "encoder/bert_characters.h"
#include "encoder/utf8.h"

namespace eidetic::encoder {
namespace {

// Where the whitespace at the end of `text` begins.
size_t TrailingSpace(absl::string_view text) {
  const std::u32string characters = DecodeUtf8(text);
  size_t kept = characters.size();
  while (kept > 0 && IsBertWhitespace(characters[kept - 1])) --kept;
  return EncodeUtf8(characters.substr(0, kept)).size();
}

// How many bytes of whitespace `text` begins with.
size_t LeadingSpace(absl::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  size_t end = 0;
  for (size_t position = 0; position < text.size(); end = position) {
    UChar32 c = 0;
    U8_NEXT(bytes, position, text.size(), c);
    if (!IsBertWhitespace(static_cast<char32_t>(c))) break;
  }
  return end;
}

}  // namespace

void AddedTokenFinder::Add(const AddedToken& token, const std::string& written) {
  if (written.empty() || !tokens_.emplace(written, token).second) return;
  std::vector<size_t>& lengths = lengths_[static_cast<uint8_t>(written[0])];
  lengths.insert(std::upper_bound(lengths.begin(), lengths.end(), written.size(), std::greater<>()),
                 written.size());
  lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
}

void AddedTokenFinder::Cut(absl::string_view whole, const std::function<void(absl::string_view)>& text,
                           const std::function<void(const AddedToken&)>& token) const {
  size_t done = 0;
  for (size_t position = 0; position < whole.size();) {
    const AddedToken* found = nullptr;
    size_t length = 1;
    for (const size_t candidate : lengths_[static_cast<uint8_t>(whole[position])]) {
      if (candidate > whole.size() - position) continue;
      const auto entry = tokens_.find(whole.substr(position, candidate));
      if (entry == tokens_.end()) continue;
      found = &entry->second;
      length = candidate;
      break;
    }
    if (found != nullptr) {
      size_t begin = position;
      size_t end = position + length;
      if (found->strips_left && begin > done) begin = done + TrailingSpace(whole.substr(done, begin - done));
      if (found->strips_right) end += LeadingSpace(whole.substr(end));
      if (begin > done) text(whole.substr(done, begin - done));
      token(*found);
      done = end;
    }
    position += length;
  }
  if (done < whole.size()) text(whole.substr(done));
}

absl::StatusOr<std::unique_ptr<PipelineTokenizer>> PipelineTokenizer::Create(PipelineParts parts) {
  const size_t special = parts.special_ids.prefix.size() + parts.special_ids.suffix.size();
  if (parts.lengths.max_length < 1 || static_cast<size_t>(parts.lengths.max_length) <= special) {
    return absl::InvalidArgumentError(absl::StrCat("a text may have ", parts.lengths.max_length,
                                                   " tokens, of which ", special,
                                                   " are special: no room for words"));
  }
  return absl::WrapUnique(new PipelineTokenizer(std::move(parts)));
}

PipelineTokenizer::PipelineTokenizer(PipelineParts parts) : parts_(std::move(parts)) {
  for (const auto& [token, id] : parts_.model->vocabulary()) {
    vocabulary_size_ = std::max<int64_t>(vocabulary_size_, id + int64_t{1});
  }
  for (AddedToken& token : parts_.added_tokens) {
    token.id = parts_.model->Find(token.content).value_or(token.id);
    vocabulary_size_ = std::max<int64_t>(vocabulary_size_, token.id + int64_t{1});
    if (token.normalized) {
      normalized_tokens_.Add(token, parts_.normalizer.Apply(token.content));
    } else {
      raw_tokens_.Add(token, token.content);
    }
  }
}

std::vector<int64_t> PipelineTokenizer::Encode(absl::string_view text) const {
  const SpecialIds& special = parts_.special_ids;
  const size_t limit = static_cast<size_t>(parts_.lengths.max_length) - special.suffix.size();
  std::vector<int64_t> ids(special.prefix.begin(), special.prefix.end());
  const std::string whole = EncodeUtf8(DecodeUtf8(text));
  const auto add_token = [&](const AddedToken& token) { ids.push_back(token.id); };
  raw_tokens_.Cut(
      whole,
      [&](absl::string_view between) {
        if (ids.size() >= limit) return;
        normalized_tokens_.Cut(
            parts_.normalizer.Apply(between),
            [&](absl::string_view segment) { EncodeSegment(segment, limit, ids); }, add_token);
      },
      add_token);
  if (ids.size() > limit) ids.resize(limit);
  ids.insert(ids.end(), special.suffix.begin(), special.suffix.end());
  return ids;
}

// What follows the last id that fits cannot change the ones before.
void PipelineTokenizer::EncodeSegment(absl::string_view segment, size_t limit,
                                      std::vector<int64_t>& ids) const {
  if (ids.size() >= limit) return;
  for (const std::string& piece : parts_.pre_tokenizer.Split(segment)) {
    if (ids.size() >= limit) return;
    parts_.model->Encode(piece, ids);
  }
}

std::string PipelineTokenizer::Describe() const {
  return absl::StrCat(parts_.model->Describe(), ", ", vocabulary_size_, " tokens, ",
                      parts_.normalizer.lowercases() ? "lower case, " : "case kept, ", "at most ",
                      parts_.lengths.max_length, " tokens a text");
}

}  // namespace eidetic::encoder
