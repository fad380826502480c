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
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "searcher/posting_column.h"
#include "storage/library.h"

namespace eidetic::searcher {

// Words of one name or caption that are looked at, and of one photo.
inline constexpr size_t kMaxWordsOfText = 256;
inline constexpr size_t kMaxWordsOfPhoto = 4'096;

// The names of a photo, as they are: stems of files, folders, tags, albums,
// places.
std::vector<std::string> NamesOf(const storage::v1::AssetRecord& record);

class WordSegment {
 public:
  class Builder;

  const Roaring& rows() const { return rows_; }
  // Adds the photos that have the word; that have one of the words beginning so,
  // of which at most `limit` are looked at; of which a name is these words, joined
  // by spaces, and no more.
  void FindWord(const std::string& word, Roaring& found) const;
  void FindPrefix(const std::string& prefix, size_t limit, Roaring& found) const;
  void FindName(const std::string& words, Roaring& found) const;
  // Different words of a photo that is in rows(), and of all photos.
  uint32_t WordCount(uint32_t ordinal) const;
  uint64_t total_words() const { return total_words_; }
  // Memory held, roughly.
  size_t memory_bytes() const;

 private:
  Roaring rows_;
  PostingColumn<std::string> words_;
  PostingColumn<std::string> names_;
  // By rising ordinal.
  std::vector<uint16_t> word_counts_;
  uint64_t total_words_ = 0;
};

class WordSegment::Builder {
 public:
  // An ordinal comes once. Captions are read from the library.
  absl::Status AddAsset(const storage::v1::AssetRecord& record, bool has_captions,
                        const storage::Library& library);
  // The rows of `segment` that are in `rows`.
  void AddSegment(const WordSegment& segment, const Roaring& rows);
  // Memory of what was added, roughly.
  size_t memory_bytes() const;
  std::shared_ptr<const WordSegment> Build() &&;

 private:
  std::shared_ptr<WordSegment> segment_ = std::make_shared<WordSegment>();
  PostingColumn<std::string>::Builder words_;
  PostingColumn<std::string>::Builder names_;
  std::vector<std::pair<uint32_t, uint16_t>> word_counts_;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_WORD_SEGMENT_H_
