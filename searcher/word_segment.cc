#include "searcher/word_segment.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "proto/status_macros.h"
#include "searcher/words.h"

namespace eidetic::searcher {

std::vector<std::string> NamesOf(const storage::v1::AssetRecord& record) {
  std::vector<std::string> names;
  for (const std::string& bytes : record.paths()) {
    const std::string path = storage::DisplayPath(bytes);
    std::vector<std::string> steps = absl::StrSplit(path, '/', absl::SkipEmpty());
    if (steps.empty()) continue;
    std::string& file = steps.back();
    if (const size_t dot = file.rfind('.'); dot != std::string::npos && dot > 0) file.resize(dot);
    names.insert(names.end(), steps.begin(), steps.end());
  }
  const eidetic::v1::PhotoMetadata& metadata = record.metadata();
  names.insert(names.end(), metadata.tags().begin(), metadata.tags().end());
  for (const std::string& tag : metadata.hierarchical_tags()) {
    const std::vector<std::string> levels = absl::StrSplit(tag, '/', absl::SkipEmpty());
    names.insert(names.end(), levels.begin(), levels.end());
  }
  names.insert(names.end(), metadata.albums().begin(), metadata.albums().end());
  for (const std::string* place :
       {&metadata.sublocation(), &metadata.city(), &metadata.state(), &metadata.country()}) {
    if (!place->empty()) names.push_back(*place);
  }
  return names;
}

void WordSegment::FindWord(const std::string& word, Roaring& found) const {
  words_.AddRange(words_.LowerBound(word), words_.UpperBound(word), found);
}

void WordSegment::FindPrefix(const std::string& prefix, size_t limit, Roaring& found) const {
  const size_t begin = words_.LowerBound(prefix);
  size_t end = begin;
  while (end < words_.value_count() && end - begin < limit && absl::StartsWith(words_.value(end), prefix)) ++end;
  words_.AddRange(begin, end, found);
}

void WordSegment::FindName(const std::string& words, Roaring& found) const {
  names_.AddRange(names_.LowerBound(words), names_.UpperBound(words), found);
}

uint32_t WordSegment::WordCount(uint32_t ordinal) const {
  const uint64_t rank = rows_.rank(ordinal);
  return rank == 0 || rank > word_counts_.size() ? 0 : word_counts_[rank - 1];
}

size_t WordSegment::memory_bytes() const {
  return sizeof(*this) + rows_.getSizeInBytes(false) + words_.memory_bytes() + names_.memory_bytes() +
         word_counts_.capacity() * sizeof(uint16_t);
}

absl::Status WordSegment::Builder::AddAsset(const storage::v1::AssetRecord& record, bool has_captions,
                                            const storage::Library& library) {
  std::set<std::string> all;
  const auto add = [&all](const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      if (all.size() < kMaxWordsOfPhoto) all.insert(word);
    }
  };
  for (const std::string& name : NamesOf(record)) {
    const std::vector<std::string> words = SplitWords(name, kMaxWordsOfText);
    if (!words.empty()) names_.Add(absl::StrJoin(words, " "), record.ordinal());
    add(words);
  }
  if (has_captions) {
    EIDETIC_ASSIGN_OR_RETURN(const auto captions, library.GetCaptions(record.ordinal()));
    for (const storage::CaptionEntry& caption : captions) {
      add(SplitWords(caption.record.text(), kMaxWordsOfText));
    }
  }
  for (const std::string& word : all) words_.Add(word, record.ordinal());
  segment_->rows_.add(record.ordinal());
  word_counts_.emplace_back(record.ordinal(), static_cast<uint16_t>(all.size()));
  return absl::OkStatus();
}

void WordSegment::Builder::AddSegment(const WordSegment& segment, const Roaring& rows) {
  const auto add_to = [&rows](auto& builder) {
    return [&rows, &builder](const std::string& value, uint32_t ordinal) {
      if (rows.contains(ordinal)) builder.Add(value, ordinal);
    };
  };
  segment_->rows_ |= rows;
  segment.words_.ForEach(add_to(words_));
  segment.names_.ForEach(add_to(names_));
  size_t row = 0;
  for (const uint32_t ordinal : segment.rows_) {
    if (rows.contains(ordinal)) word_counts_.emplace_back(ordinal, segment.word_counts_[row]);
    ++row;
  }
}

size_t WordSegment::Builder::memory_bytes() const {
  return words_.memory_bytes() + names_.memory_bytes() + word_counts_.size() * sizeof(word_counts_[0]);
}

std::shared_ptr<const WordSegment> WordSegment::Builder::Build() && {
  segment_->words_ = std::move(words_).Build();
  segment_->names_ = std::move(names_).Build();
  segment_->rows_.runOptimize();
  std::sort(word_counts_.begin(), word_counts_.end());
  segment_->word_counts_.reserve(word_counts_.size());
  for (const auto& [ordinal, count] : word_counts_) {
    segment_->word_counts_.push_back(count);
    segment_->total_words_ += count;
  }
  return std::move(segment_);
}

}  // namespace eidetic::searcher
