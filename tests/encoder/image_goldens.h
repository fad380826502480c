// The pictures and golden values that golden/make_image_goldens.py made, for
// the tests of eidetic_image.
#ifndef EIDETIC_TESTS_ENCODER_IMAGE_GOLDENS_H_
#define EIDETIC_TESTS_ENCODER_IMAGE_GOLDENS_H_

#include <openssl/sha.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "encoder/image.h"

namespace eidetic::encoder {

inline std::vector<uint8_t> ReadTestdata(const std::string& name) {
  std::ifstream file(absl::StrCat(EIDETIC_SOURCE_DIR, "/tests/encoder/testdata/", name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline std::vector<uint8_t> ReadPicture(const std::string& name) { return ReadTestdata("pictures/" + name); }

inline nlohmann::json ReadGoldens(const char* kind) {
  const std::vector<uint8_t> text = ReadTestdata("image_goldens.json");
  return nlohmann::json::parse(text).at(kind);
}

inline std::string Sha256(const Image& image) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(image.pixels.data(), image.pixels.size(), reinterpret_cast<uint8_t*>(digest.data()));
  return absl::BytesToHexString(digest);
}

// Noise in every second square of 8 x 8, gradients in the others; the script's
// pattern() computes the same.
inline Image MakePattern(int width, int height) {
  Image image{.width = width, .height = height, .pixels = {}};
  uint32_t state = 12345;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        state = state * 1664525u + 1013904223u;
        const uint32_t noise = (x / 8 + y / 8) % 2 == 1 ? state >> 24 : 0;
        image.pixels.push_back(static_cast<uint8_t>(3 * x + 5 * y + 60 * c + noise));
      }
    }
  }
  return image;
}

}  // namespace eidetic::encoder

#endif  // EIDETIC_TESTS_ENCODER_IMAGE_GOLDENS_H_
