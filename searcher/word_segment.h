// The words of some photos' names (files, folders, tags, albums, places) and
// captions, inverted: a part of the word index that never changes. Any thread.
//
//   WordSegment::Builder builder;
//   RETURN_IF_ERROR(builder.AddAsset(record, has_captions, library));
//   std::shared_ptr<const WordSegment> segment = std::move(builder).Build();
//   segment->FindWord("2041", found);
#ifndef EIDETIC_SEARCHER_WORD_SEGMENT_H_
#define EIDETIC_SEARCHER_WORD_SEGMENT_H_

#include <roaring/roaring.hh>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "searcher/posting_column.h"
#include "storage/library.h"

namespace eidetic::searcher {

// Words of one name or caption that are looked at, and of one photo.
inline constexpr size_t kMaxWordsOfText = 256;
inline constexpr size_t kMaxWordsOfPhoto = 4'096;

class WordSegment {
 public:
  class Builder;

  const Roaring& rows() const { return rows_; }
  // Adds the photos that have the word.
  void FindWord(const std::string& word, Roaring& found) const;
  // Adds the photos of which a name is these words, joined by spaces, and no more.
  void FindName(const std::string& words, Roaring& found) const;
  // Memory held, roughly.
  size_t memory_bytes() const;

 private:
  Roaring rows_;
  PostingColumn<std::string> words_;
  PostingColumn<std::string> names_;
};

class WordSegment::Builder {
 public:
  // An ordinal comes once. Captions are read from the library.
  absl::Status AddAsset(const storage::v1::AssetRecord& record, bool has_captions,
                        const storage::Library& library);
  // The rows of `segment` that are in `rows`.
  void AddSegment(const WordSegment& segment, const Roaring& rows);
  // Memory of what was added, roughly.
  size_t memory_bytes() const { return words_.memory_bytes() + names_.memory_bytes(); }
  std::shared_ptr<const WordSegment> Build() &&;

 private:
  std::shared_ptr<WordSegment> segment_ = std::make_shared<WordSegment>();
  PostingColumn<std::string>::Builder words_;
  PostingColumn<std::string>::Builder names_;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_WORD_SEGMENT_H_
