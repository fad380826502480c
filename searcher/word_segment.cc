#include "searcher/word_segment.h"

#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "proto/status_macros.h"
#include "searcher/words.h"

namespace eidetic::searcher {
namespace {

struct Names {
  // As they are: folders, files without their extension, tags, albums, places.
  std::vector<std::string> whole;
  // Of files: words of a photo, but no part of its name.
  std::vector<std::string> extensions;
};

Names NamesOf(const storage::v1::AssetRecord& record) {
  Names names;
  const auto add_steps = [&names](absl::string_view path) {
    const std::vector<std::string> steps = absl::StrSplit(path, '/', absl::SkipEmpty());
    names.whole.insert(names.whole.end(), steps.begin(), steps.end());
  };
  for (const std::string& path : record.paths()) {
    add_steps(storage::DisplayPath(path));
    if (names.whole.empty()) continue;
    std::string& file = names.whole.back();
    const size_t dot = file.rfind('.');
    if (dot == std::string::npos || dot == 0) continue;
    names.extensions.push_back(file.substr(dot + 1));
    file.resize(dot);
  }
  const eidetic::v1::PhotoMetadata& metadata = record.metadata();
  names.whole.insert(names.whole.end(), metadata.tags().begin(), metadata.tags().end());
  for (const std::string& tag : metadata.hierarchical_tags()) add_steps(tag);
  names.whole.insert(names.whole.end(), metadata.albums().begin(), metadata.albums().end());
  for (const std::string* place :
       {&metadata.sublocation(), &metadata.city(), &metadata.state(), &metadata.country()}) {
    if (!place->empty()) names.whole.push_back(*place);
  }
  return names;
}

}  // namespace

void WordSegment::FindWord(const std::string& word, Roaring& found) const {
  words_.AddRange(words_.LowerBound(word), words_.UpperBound(word), found);
}

void WordSegment::FindName(const std::string& words, Roaring& found) const {
  names_.AddRange(names_.LowerBound(words), names_.UpperBound(words), found);
}

size_t WordSegment::memory_bytes() const {
  return sizeof(*this) + rows_.getSizeInBytes(false) + words_.memory_bytes() + names_.memory_bytes();
}

absl::Status WordSegment::Builder::AddAsset(const storage::v1::AssetRecord& record, bool has_captions,
                                            const storage::Library& library) {
  std::set<std::string> all;
  const auto add = [&all](std::vector<std::string> words) {
    for (std::string& word : words) {
      if (all.size() < kMaxWordsOfPhoto) all.insert(std::move(word));
    }
  };
  const Names names = NamesOf(record);
  for (const std::string& name : names.whole) {
    std::vector<std::string> words = SplitWords(name, kMaxWordsOfText);
    if (!words.empty()) names_.Add(absl::StrJoin(words, " "), record.ordinal());
    add(std::move(words));
  }
  for (const std::string& extension : names.extensions) add(SplitWords(extension, kMaxWordsOfText));
  if (has_captions) {
    EIDETIC_ASSIGN_OR_RETURN(const auto captions, library.GetCaptions(record.ordinal()));
    for (const storage::CaptionEntry& caption : captions) {
      add(SplitWords(caption.record.text(), kMaxWordsOfText));
    }
  }
  for (const std::string& word : all) words_.Add(word, record.ordinal());
  segment_->rows_.add(record.ordinal());
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
}

std::shared_ptr<const WordSegment> WordSegment::Builder::Build() && {
  segment_->words_ = std::move(words_).Build();
  segment_->names_ = std::move(names_).Build();
  segment_->rows_.runOptimize();
  return std::move(segment_);
}

}  // namespace eidetic::searcher
