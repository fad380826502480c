// Answers "which photos do these words name" for one library: the words of file
// and folder names, tags, albums, places and captions in memory, inverted
// (word_segment.h), made from RocksDB and kept up to date by its change log. The
// rules are in docs/words.md. Nothing is read before Prepare or the first Find.
// Owned by the process that holds the library, which must outlive it. Every method
// may be called from any thread; readers share an immutable state and never wait
// for a writer.
//
//   WordIndex words(library, {});
//   ASSIGN_OR_RETURN(const WordMatches found, words.Find({"Grandma's 80th"}, {}));
#ifndef EIDETIC_SEARCHER_WORD_INDEX_H_
#define EIDETIC_SEARCHER_WORD_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "searcher/segmented_index.h"
#include "searcher/word_segment.h"
#include "storage/library.h"

namespace eidetic::searcher {

// Of the words of a query, the first so many different ones are looked at.
inline constexpr size_t kMaxQueryWords = 32;

struct WordIndexOptions {
  // As AttributeIndexOptions.
  size_t max_bytes = size_t{2} << 30;
  size_t merge_aside_from = 20'000;
};

// A photo that the words name.
struct WordMatch {
  storage::Ordinal ordinal = 0;
  // Sum of the matched words' inverse document frequencies.
  float weight = 0;
  // Bit i: it has WordMatches::words[i].
  uint32_t words = 0;
  // A text of the query is, word by word, the whole of one of its names.
  bool is_name = false;

  // Neither of two is the better one.
  bool Ties(const WordMatch& other) const { return is_name == other.is_name && weight == other.weight; }
};

struct WordMatches {
  // What was looked for: different, folded, without words that name nothing.
  std::vector<std::string> words;
  // Best first; in no fixed order among those that tie.
  std::vector<WordMatch> photos;
  // Contains every change up to this one.
  uint64_t last_sequence = 0;
};

class WordIndex {
 public:
  WordIndex(const storage::Library* library, const WordIndexOptions& options)
      : library_(library),
        photos_(library, {.content = "words",
                          .purpose = "matching of words",
                          .max_bytes = options.max_bytes,
                          .merge_aside_from = options.merge_aside_from}) {}

  // Begins to read the library, in the background, when nobody has yet.
  void Prepare() { photos_.Prepare(); }

  // Photos that `texts` name, of a state that contains every change committed
  // before the call; waits for it, the first time for the building. `cancelled`
  // may be empty; -> kCancelled. kDataLoss and others: the library could not be read.
  absl::StatusOr<WordMatches> Find(std::span<const std::string> texts,
                                   const std::function<bool()>& cancelled);

  SegmentedIndexStatus status() const { return photos_.status(); }

 private:
  const storage::Library* const library_;
  SegmentedIndex<WordSegment> photos_;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_WORD_INDEX_H_
