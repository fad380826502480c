#include "searcher/word_index.h"

#include <roaring/roaring.hh>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_join.h"
#include "proto/status_macros.h"
#include "searcher/words.h"

namespace eidetic::searcher {
namespace {

using State = SegmentedIndex<WordSegment>::State;

// A photo must have words that carry this share of what the query's words tell.
constexpr double kFewestTold = 0.5;
// A word or name of more photos than this, or of more than half of them in a
// library of some size, tells nothing: "home", "Pictures".
constexpr uint64_t kMostPhotos = 50'000;
constexpr uint64_t kFewestPhotosForCommon = 20;

bool IsCommon(uint64_t photos, uint64_t all) {
  return photos > kMostPhotos || (all >= kFewestPhotosForCommon && 2 * photos > all);
}

// As BM25 has it.
double InverseDocumentFrequency(uint64_t photos, uint64_t all) {
  const auto with = static_cast<double>(photos);
  return std::log1p((static_cast<double>(all) - with + 0.5) / (with + 0.5));
}

template <typename Find>
Roaring FindIn(const State& state, const Find& find) {
  Roaring all;
  for (const auto& part : state.parts) {
    Roaring found;
    find(*part.segment, found);
    found &= part.valid;
    all |= found;
  }
  return all;
}

struct Asked {
  std::string word;
  Roaring photos;
  // 0: it tells nothing.
  double weight = 0;
};

// The words of `texts`, without those that name nothing unless there are no others.
std::vector<std::string> WordsOf(std::span<const std::string> texts) {
  std::vector<std::string> all;
  std::vector<std::string> telling;
  for (const std::string& text : texts) {
    for (std::string& word : SplitWords(text, kMaxWordsOfText)) {
      std::vector<std::string>& list = IsFunctionWord(word) ? all : telling;
      if (list.size() < kMaxQueryWords && std::find(list.begin(), list.end(), word) == list.end()) {
        list.push_back(std::move(word));
      }
    }
  }
  return telling.empty() ? all : telling;
}

// Photos that have enough of the words: any such has one of the rarest, which the
// others together do not outweigh.
Roaring Candidates(const std::vector<Asked>& asked, double needed) {
  std::vector<const Asked*> by_weight;
  double left = 0;
  for (const Asked& one : asked) {
    by_weight.push_back(&one);
    left += one.weight;
  }
  std::sort(by_weight.begin(), by_weight.end(),
            [](const Asked* a, const Asked* b) { return a->weight > b->weight; });
  Roaring candidates;
  for (const Asked* one : by_weight) {
    if (left < needed || one->weight == 0) break;
    candidates |= one->photos;
    left -= one->weight;
  }
  return candidates;
}

}  // namespace

absl::StatusOr<WordMatches> WordIndex::Find(std::span<const std::string> texts,
                                            const std::function<bool()>& cancelled) {
  const uint64_t wanted = library_->last_sequence();
  Prepare();
  EIDETIC_ASSIGN_OR_RETURN(const auto state, photos_.AwaitState(wanted, cancelled));
  WordMatches matches;
  matches.last_sequence = state->last_sequence;

  std::vector<Asked> asked;
  double told = 0;
  for (std::string& word : WordsOf(texts)) {
    Asked one = {.word = std::move(word)};
    one.photos = FindIn(
        *state, [&one](const WordSegment& segment, Roaring& found) { segment.FindWord(one.word, found); });
    const uint64_t photos = one.photos.cardinality();
    if (!IsCommon(photos, state->live_count)) {
      one.weight = InverseDocumentFrequency(photos, state->live_count);
    }
    told += one.weight;
    matches.words.push_back(one.word);
    asked.push_back(std::move(one));
  }
  Roaring named;
  for (const std::string& text : texts) {
    const std::string name = absl::StrJoin(SplitWords(text, kMaxWordsOfText), " ");
    const Roaring photos = FindIn(
        *state, [&name](const WordSegment& segment, Roaring& found) { segment.FindName(name, found); });
    if (!IsCommon(photos.cardinality(), state->live_count)) named |= photos;
  }

  const double needed = kFewestTold * told;
  for (const uint32_t ordinal : Candidates(asked, needed) | named) {
    WordMatch match = {.ordinal = ordinal, .is_name = named.contains(ordinal)};
    double weight = 0;
    for (size_t i = 0; i < asked.size(); ++i) {
      if (!asked[i].photos.contains(ordinal)) continue;
      match.words |= uint32_t{1} << i;
      weight += asked[i].weight;
    }
    match.weight = static_cast<float>(weight);
    if (match.is_name || weight >= needed) matches.photos.push_back(match);
  }
  std::stable_sort(matches.photos.begin(), matches.photos.end(), [](const WordMatch& a, const WordMatch& b) {
    return a.is_name != b.is_name ? a.is_name : a.weight > b.weight;
  });
  return matches;
}

}  // namespace eidetic::searcher
