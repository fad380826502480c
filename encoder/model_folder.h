// The files of a model folder in the Hugging Face ONNX layout (docs/models.md),
// read into memory and hashed. A value type; reading blocks; any thread.
//
//   ASSIGN_OR_RETURN(ModelFolder folder, ReadModelFolder("models/default"));
//   std::string fingerprint = FingerprintOf(folder);
#ifndef EIDETIC_ENCODER_MODEL_FOLDER_H_
#define EIDETIC_ENCODER_MODEL_FOLDER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::encoder {

inline constexpr char kVisionModelFile[] = "onnx/vision_model.onnx";
inline constexpr char kTextModelFile[] = "onnx/text_model.onnx";
inline constexpr char kConfigFile[] = "config.json";
inline constexpr char kPreprocessorFile[] = "preprocessor_config.json";
inline constexpr char kTokenizerFile[] = "tokenizer.json";
inline constexpr char kTokenizerConfigFile[] = "tokenizer_config.json";

// What config.json says and we use.
struct ModelConfig {
  std::optional<int> dimension;
  std::optional<int> image_size;
  std::optional<int> max_tokens;
  std::optional<int64_t> vocabulary_size;
};

struct ModelFolder {
  struct File {
    std::string name;  // relative to the folder
    std::string contents;
  };

  std::string name;
  std::string path;
  // All that determine the vectors, sorted by name.
  std::vector<File> files;
  ModelConfig config;

  // Empty for tokenizer_config.json when the folder has none.
  absl::string_view Contents(absl::string_view file) const;
  // Moves the contents out; the file is then empty here.
  std::string TakeContents(absl::string_view file);
};

// Errors: kNotFound (the folder or a required file), kInvalidArgument (a file
// that is not a regular one, config.json damaged), kResourceExhausted (a file
// too large); each names the path.
absl::StatusOr<ModelFolder> ReadModelFolder(const std::string& path);

// SHA-256 over the names, sizes and contents of the files: 32 hexadecimal digits.
std::string FingerprintOf(const ModelFolder& folder);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_MODEL_FOLDER_H_
