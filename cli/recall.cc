#include "cli/recall.h"

#include <limits>
#include <vector>

namespace eidetic::cli {
namespace {

float Dot(std::span<const float> a, std::span<const float> b) {
  float sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void Count(size_t rank, std::array<double, kRecallCutoffs.size()>& counts) {
  for (size_t i = 0; i < kRecallCutoffs.size(); ++i) {
    if (rank < kRecallCutoffs[i]) counts[i] += 1;
  }
}

}  // namespace

Recall MeasureRecall(const encoder::Embeddings& pictures, const encoder::Embeddings& captions,
                     std::span<const size_t> picture_of) {
  Recall recall;
  if (pictures.size() == 0 || captions.size() == 0) return recall;
  // Best own caption of each picture: score and row.
  std::vector<float> best_score(pictures.size(), -std::numeric_limits<float>::infinity());
  std::vector<size_t> best_row(pictures.size(), 0);
  std::vector<float> row(pictures.size());
  const auto score_all = [&](size_t caption) {
    for (size_t p = 0; p < pictures.size(); ++p) row[p] = Dot(captions.row(caption), pictures.row(p));
  };
  for (size_t c = 0; c < captions.size(); ++c) {
    score_all(c);
    const size_t own = picture_of[c];
    size_t rank = 0;
    for (size_t p = 0; p < pictures.size(); ++p) {
      if (row[p] > row[own] || (row[p] == row[own] && p < own)) ++rank;
    }
    Count(rank, recall.text_to_image);
    if (row[own] > best_score[own]) {
      best_score[own] = row[own];
      best_row[own] = c;
    }
  }
  // Second pass instead of a table of all scores: memory stays flat.
  std::vector<size_t> ranks(pictures.size(), 0);
  for (size_t c = 0; c < captions.size(); ++c) {
    score_all(c);
    for (size_t p = 0; p < pictures.size(); ++p) {
      if (row[p] > best_score[p] || (row[p] == best_score[p] && c < best_row[p])) ++ranks[p];
    }
  }
  for (const size_t rank : ranks) Count(rank, recall.image_to_text);
  for (double& value : recall.text_to_image) value /= static_cast<double>(captions.size());
  for (double& value : recall.image_to_text) value /= static_cast<double>(pictures.size());
  return recall;
}

}  // namespace eidetic::cli
