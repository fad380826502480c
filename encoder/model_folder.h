// The files of a model folder (docs/models.md), read into memory, checked and
// hashed. A value type; reading blocks; any thread.
//
//   ASSIGN_OR_RETURN(ModelFolder folder, ReadModelFolder("models/default", files, variant));
//   std::string fingerprint = FingerprintOf(folder);
#ifndef EIDETIC_ENCODER_MODEL_FOLDER_H_
#define EIDETIC_ENCODER_MODEL_FOLDER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/model_config.h"
#include "encoder/model_layout.h"
#include "encoder/onnx_file_check.h"

namespace eidetic::encoder {

// A tower's .onnx file and the external data that its weights lie in, all among
// ModelFolder::files.
struct TowerFiles {
  std::string file;
  OnnxFileFacts facts;
  // Name in the graph, name in the folder.
  std::vector<std::pair<std::string, std::string>> external_files;
};

struct ModelFolder {
  struct File {
    std::string name;  // relative to the folder
    std::string contents;
  };

  std::string name;
  std::string path;
  ModelFiles layout;
  ModelVariant variant;
  TowerFiles image_tower;
  TowerFiles text_tower;
  // All that determine the vectors, sorted by name, each once.
  std::vector<File> files;
  ModelConfig config;

  // Empty for tokenizer_config.json when the folder has none.
  absl::string_view Contents(absl::string_view file) const;
  // Empties the files that only the text tower is made of.
  void DropTextTower();
};

// Errors: kNotFound (a required file), kInvalidArgument (a file that is not a
// regular one, config.json or a tower damaged, external data outside the folder
// or too short), kResourceExhausted (a file too large, or all for this machine's
// memory); each names the path.
absl::StatusOr<ModelFolder> ReadModelFolder(const std::string& path, const ModelFiles& layout,
                                            const ModelVariant& variant);

// SHA-256 over the names, sizes and contents of the files: 32 hexadecimal digits.
std::string FingerprintOf(const ModelFolder& folder);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_MODEL_FOLDER_H_
