// The words of a text, as they are matched: without case, accents and apostrophes,
// parted by whatever is neither letter nor digit and, where a script writes no
// spaces, by ICU's dictionaries. Stateless; any thread.
//
//   SplitWords("Grandma's 80th", 100);  // {"grandmas", "80th"}
//   SplitWords("IMG_2041", 100);        // {"img", "2041"}
#ifndef EIDETIC_SEARCHER_WORDS_H_
#define EIDETIC_SEARCHER_WORDS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace eidetic::searcher {

// In their order, with repeats, at most `limit`. A text is looked at up to 4,096
// bytes, a word kept up to 64. What is not UTF-8 parts words.
std::vector<std::string> SplitWords(absl::string_view text, size_t limit);

// English words that name nothing ("the", "of", "photo"); of the form that
// SplitWords gives.
bool IsFunctionWord(absl::string_view word);

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_WORDS_H_
