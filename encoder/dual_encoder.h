// A CLIP-style dual encoder: an image tower and a text tower that share one
// vector space, run by ONNX Runtime from a model folder in one of the layouts of
// docs/models.md. The owner keeps it alive while calls run; every method may be
// called from any thread at once.
//
//   ASSIGN_OR_RETURN(auto encoder, DualEncoder::Load("models/default", {}));
//   ASSIGN_OR_RETURN(Embeddings text, encoder->EncodeTexts({"a dog on the beach"}));
//   ASSIGN_OR_RETURN(auto prepared, encoder->PreparePicture(bytes, {}));
//   ASSIGN_OR_RETURN(Embeddings picture, encoder->EncodePictures({&prepared, 1}));
//   float cosine = Dot(text.row(0), picture.row(0));
//
// An embedding has unit length and depends on its own input alone, never on
// what else is in the batch.
#ifndef EIDETIC_ENCODER_DUAL_ENCODER_H_
#define EIDETIC_ENCODER_DUAL_ENCODER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/image_decoder.h"

namespace eidetic::encoder {

// Rows of `dimension` floats, one after the other.
struct Embeddings {
  int dimension = 0;
  std::vector<float> values;

  size_t size() const { return dimension == 0 ? 0 : values.size() / dimension; }
  std::span<const float> row(size_t i) const {
    return std::span<const float>(values).subspan(i * dimension, dimension);
  }
};

// A picture made ready for the image tower.
struct PreparedPicture {
  ImageInfo info;
  std::vector<float> tensor;
};

struct DualEncoderOptions {
  // Threads of one call; 0: as many as the machine has cores.
  int threads = 0;
  // Run each tower once on a probe at load and refuse the model when the answer
  // has the wrong shape, is not finite or is all zero.
  bool probe = true;
  // Leave the image tower's session for the first EncodePictures, so that a text
  // query does not pay for it. Everything else is validated at load: all files
  // are read and hashed, the image tower is a whole ONNX file, and the text tower,
  // which says the dimension, runs. The image tower is held to the remaining rules
  // at its first use; its files stay in memory until then.
  bool lazy = false;
  // Precision among those the folder has ("fp16", "plain"); empty: the best that
  // fits this machine's memory.
  std::string variant;
  // Fingerprint of the model that is wanted, if known: where `variant` is empty, the
  // variant that has it is loaded. Otherwise the choice is as without it.
  std::string fingerprint;
};

// One of the two towers, as `model show` tells of it.
struct TowerInfo {
  std::string file;
  // Inputs and output with their types; empty until a lazy tower is loaded.
  std::string graph;
};

// What a model folder says of itself.
struct ModelInfo {
  std::string name;  // folder name
  std::string folder;
  std::string fingerprint;  // 32 hexadecimal digits: hash of weights, preprocessing, tokenizer
  std::string layout;       // "Hugging Face", "Immich", "single file"
  std::string family;       // what config.json calls it; may be empty
  std::string variant;      // the one loaded
  std::vector<std::string> variants;
  TowerInfo image_tower;
  TowerInfo text_tower;
  int dimension = 0;
  int image_width = 0;
  int image_height = 0;
  int max_tokens = 0;
  std::string image_rules;  // one line each
  std::string text_rules;
  // What the folder's files leave out and its family's rule gave, a sentence each.
  std::vector<std::string> assumptions;
  std::vector<std::string> files;  // relative to the folder, those the fingerprint covers
  uint64_t total_bytes = 0;
};

class DualEncoder {
 public:
  // Reads and validates the whole folder. Errors: kNotFound (folder or file
  // missing), kInvalidArgument (a file is damaged, towers disagree on the
  // dimension, a graph's inputs or outputs are not understood, the probe gives
  // NaN), kUnimplemented (a part of a tokenizer or a preprocessing step that this
  // version does not have), kResourceExhausted (a file beyond its limit); each
  // names the folder, the file and what was expected.
  static absl::StatusOr<std::unique_ptr<DualEncoder>> Load(const std::string& folder,
                                                           const DualEncoderOptions& options);
  ~DualEncoder();
  DualEncoder(const DualEncoder&) = delete;
  DualEncoder& operator=(const DualEncoder&) = delete;

  const ModelInfo& info() const;
  int dimension() const { return info().dimension; }

  // Decodes and preprocesses (CPU work of the caller's thread, no tower runs).
  absl::StatusOr<PreparedPicture> PreparePicture(std::span<const uint8_t> bytes,
                                                 const DecodeOptions& options) const;

  // Runs the image tower, 8 pictures at a time. kInvalidArgument when a picture
  // was prepared for another model, kInternal when a tower fails or its answer
  // is not finite or all zero; loaded lazily, also Load's errors of the image
  // tower, the same at every call.
  absl::StatusOr<Embeddings> EncodePictures(std::span<const PreparedPicture> pictures) const;

  // Runs the text tower, up to 32 texts at a time. Texts of equal length in
  // tokens share a batch; rows come back in the order given. Errors as above.
  absl::StatusOr<Embeddings> EncodeTexts(std::span<const std::string> texts) const;

 private:
  class Impl;
  explicit DualEncoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Makes `vector` unit length. kInvalidArgument when it is all zero or has a
// value that is not finite.
absl::Status NormalizeEmbedding(std::span<float> vector);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_DUAL_ENCODER_H_
