#include "bench/synthetic_vectors.h"

#include <cmath>
#include <random>
#include <span>

namespace eidetic::bench {
namespace {

// Directions that the pictures vary in, and how many kinds of them there are.
constexpr size_t kLatent = 96;
constexpr size_t kClusters = 1'000;
// Spread within a cluster, of its centre's length, and noise in all directions.
constexpr float kSpread = 1.0F;
constexpr float kNoise = 0.15F;
// What a text is made of: its picture, the offset of all texts, the rest.
constexpr float kTextPicture = 0.35F;
constexpr float kTextOffset = 0.5F;
constexpr float kTextRest = 0.79F;

class Generator {
 public:
  explicit Generator(const SyntheticOptions& options)
      : dimension_(options.dimension),
        random_(options.seed),
        directions_(Normals(kLatent * dimension_)),
        centres_(Normals(kClusters * kLatent)),
        offset_(Normals(dimension_)) {
    ScaleTo(offset_, 1);
  }

  void AddPicture(std::vector<float>& rows) {
    const size_t cluster = random_() % kClusters;
    std::vector<float> picture(dimension_);
    for (size_t latent = 0; latent < kLatent; ++latent) {
      const float weight = centres_[cluster * kLatent + latent] + kSpread * normal_(random_);
      for (size_t d = 0; d < dimension_; ++d) picture[d] += weight * directions_[latent * dimension_ + d];
    }
    const float noise = kNoise * std::sqrt(static_cast<float>(kLatent));
    for (float& value : picture) value += noise * normal_(random_);
    ScaleTo(picture, 1);
    rows.insert(rows.end(), picture.begin(), picture.end());
  }

  void AddText(std::vector<float>& rows) {
    std::vector<float> text;
    AddPicture(text);
    std::vector<float> rest = Normals(dimension_);
    ScaleTo(rest, kTextRest);
    for (size_t d = 0; d < dimension_; ++d)
      text[d] = kTextPicture * text[d] + kTextOffset * offset_[d] + rest[d];
    ScaleTo(text, 1);
    rows.insert(rows.end(), text.begin(), text.end());
  }

 private:
  std::vector<float> Normals(size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = normal_(random_);
    return values;
  }
  static void ScaleTo(std::span<float> values, float length) {
    double squares = 0;
    for (const float value : values) squares += static_cast<double>(value) * value;
    const auto factor = static_cast<float>(length / std::sqrt(squares));
    for (float& value : values) value *= factor;
  }

  const size_t dimension_;
  std::mt19937 random_;
  std::normal_distribution<float> normal_;
  const std::vector<float> directions_;
  const std::vector<float> centres_;
  std::vector<float> offset_;
};

}  // namespace

SyntheticVectors MakeVectors(const SyntheticOptions& options) {
  Generator generator(options);
  SyntheticVectors vectors;
  vectors.base.reserve(options.count * options.dimension);
  for (size_t i = 0; i < options.count; ++i) generator.AddPicture(vectors.base);
  for (size_t i = 0; i < options.queries; ++i) {
    if (options.text_like_queries) {
      generator.AddText(vectors.queries);
    } else {
      generator.AddPicture(vectors.queries);
    }
  }
  return vectors;
}

}  // namespace eidetic::bench
