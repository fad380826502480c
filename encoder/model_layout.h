// Which files of a model folder play which part, in each of the layouts that
// models are published in, and in which precisions they are there
// (docs/models.md). Looks at names and sizes only. Value types; any thread.
//
//   ASSIGN_OR_RETURN(ModelFiles files, FindModelFiles("models/clip"));
//   ASSIGN_OR_RETURN(ModelVariant variant, ChooseVariant(files, "", PhysicalMemoryBytes()));
#ifndef EIDETIC_ENCODER_MODEL_LAYOUT_H_
#define EIDETIC_ENCODER_MODEL_LAYOUT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::encoder {

enum class ModelLayout {
  kHuggingFace,  // onnx/vision_model.onnx, onnx/text_model.onnx
  kImmich,       // visual/model.onnx, textual/model.onnx
  kSingleFile,   // onnx/model.onnx with both towers
};

// "Hugging Face", "Immich", "single file".
absl::string_view NameOf(ModelLayout layout);

// A precision: the files' suffix without its "_"; "plain" for those without.
struct ModelVariant {
  std::string name;
  std::string image_file;
  std::string text_file;  // the same as image_file for a single file
  // Of both, with external data that lies beside them.
  uint64_t bytes = 0;
};

// Paths relative to the folder; those of optional files may not be there.
struct ModelFiles {
  ModelLayout layout = ModelLayout::kHuggingFace;
  std::string config;
  std::string preprocessor;
  std::string tokenizer;
  std::string tokenizer_config;
  // At least one; best first where memory is no matter.
  std::vector<ModelVariant> variants;
};

// kNotFound names what is missing, when it is no model folder; kInvalidArgument
// when it is a file.
absl::StatusOr<ModelFiles> FindModelFiles(const std::string& folder);

// Sizes of files by their path in a folder.
using FileSizes = std::map<std::string, uint64_t>;

// Of a folder that is elsewhere; `folder` is put into errors.
absl::StatusOr<ModelFiles> FindModelFiles(const FileSizes& sizes, const std::string& folder);

// `wanted`, or when empty the best that fits `memory_bytes`, or the smallest. The
// same folder on the same machine gives the same one. kNotFound lists the variants.
absl::StatusOr<ModelVariant> ChooseVariant(const ModelFiles& files, absl::string_view wanted,
                                           uint64_t memory_bytes);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_MODEL_LAYOUT_H_
