// A second model for test libraries, as a pure function of what it encodes.
#ifndef EIDETIC_TESTS_STORAGE_TEST_GENERATIONS_H_
#define EIDETIC_TESTS_STORAGE_TEST_GENERATIONS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "storage/generation.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {

inline constexpr char kNew[] = "beef";
inline constexpr int kNewDimension = 12;

// The second model's vector of what the first gives UnitVector(seed).
inline std::vector<float> NewVector(uint32_t seed, int dimension = kNewDimension) {
  return UnitVector(seed + 1'000'000, dimension);
}

inline uint32_t SeedOf(const std::string& text) {
  return static_cast<uint32_t>(std::hash<std::string>()(text) % 1'000'000);
}

// What is missing, encoded by the second model.
inline GenerationVectors Encode(const MissingVectors& missing, int dimension = kNewDimension) {
  GenerationVectors vectors;
  vectors.asset_id = missing.asset.asset_id;
  vectors.embedding_version = missing.asset.record.embedding_version();
  if (missing.embedding) vectors.embedding = NewVector(SeedOf(vectors.asset_id), dimension);
  for (const CaptionEntry& entry : missing.captions) {
    vectors.captions.push_back(
        {entry.id, entry.record.text(), NewVector(SeedOf(entry.record.text()), dimension)});
  }
  return vectors;
}

}  // namespace eidetic::storage

#endif  // EIDETIC_TESTS_STORAGE_TEST_GENERATIONS_H_
