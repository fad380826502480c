// One tower of a dual encoder: an ONNX graph in an ONNX Runtime session, with
// its inputs and outputs checked and named. Run may be called from any thread
// at once. The Ort::Env given must outlive the tower.
//
//   ASSIGN_OR_RETURN(auto tower, OnnxTower::Load(env, TowerKind::kText, {.bytes = bytes, .file =
//   "onnx/text_model.onnx"}, 1)); ASSIGN_OR_RETURN(std::vector<float> rows, tower->EncodeTokens(ids, mask,
//   count, length));
#ifndef EIDETIC_ENCODER_ONNX_TOWER_H_
#define EIDETIC_ENCODER_ONNX_TOWER_H_

#include <onnxruntime_cxx_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::encoder {

enum class TowerKind { kImage, kText };

// An .onnx file that CheckOnnxFile has passed, and the files that its weights lie
// in under the names that it gives them. Borrowed while the tower is loaded.
struct OnnxModel {
  absl::string_view bytes;
  absl::string_view file;  // put into errors
  std::vector<std::pair<std::string, absl::string_view>> external_files;
};

// Names under which exporters give the embedding in a file that has both towers,
// best first.
std::span<const absl::string_view> SharedGraphOutputs(TowerKind kind);

class OnnxTower {
 public:
  // `threads`: inside one call; 0: as many as the machine has cores.
  // kInvalidArgument when ONNX Runtime refuses the model or its inputs or outputs
  // are not those of a tower of this kind.
  static absl::StatusOr<std::unique_ptr<OnnxTower>> Load(const Ort::Env& env, TowerKind kind,
                                                         const OnnxModel& model, int threads);

  // Inputs and output with their types, in one line, for `model show`.
  std::string Describe() const;
  // Padding tokens can be told from the text's.
  bool takes_mask() const;

  // Sizes that the graph fixes; 0 where it takes any.
  int fixed_batch() const { return fixed_batch_; }
  int fixed_tokens() const { return fixed_tokens_; }
  int fixed_height() const { return fixed_height_; }
  int fixed_width() const { return fixed_width_; }
  // Of the embedding; 0 when the graph does not say.
  int dimension() const { return dimension_; }
  const std::string& file() const { return file_; }

  // `pixels` holds `count` tensors of 3 × height × width, of bytes 0 to 255 where
  // the graph takes uint8. Gives `count` rows, as the graph made them: not
  // normalised, perhaps not finite.
  absl::StatusOr<std::vector<float>> EncodePixels(std::span<const float> pixels, int count, int height,
                                                  int width) const;

  // `ids` and `mask` hold `count` rows of `length`.
  absl::StatusOr<std::vector<float>> EncodeTokens(std::span<const int64_t> ids, std::span<const int64_t> mask,
                                                  int count, int length) const;

 private:
  enum class InputRole { kPixels, kIds, kMask, kTypes, kPositions };
  struct Input {
    std::string name;
    InputRole role = InputRole::kPixels;
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    // Of pictures: [batch, height, width, 3] instead of [batch, 3, height, width].
    bool channels_last = false;
  };

  explicit OnnxTower(absl::string_view file) : file_(file) {}

  absl::Status ReadInputs(TowerKind kind);
  absl::Status ReadImageInput(const Input& input, const std::vector<int64_t>& shape);
  absl::Status ReadTextInput(const Input& input, const std::vector<int64_t>& shape);
  absl::Status ReadOutput(TowerKind kind);
  absl::Status Fix(int& size, int64_t side, absl::string_view what);
  absl::StatusOr<std::vector<float>> Run(std::span<const Ort::Value> values, int count) const;
  absl::Status Error(absl::string_view problem) const;

  std::string file_;
  // Run is safe from many threads; the API's own class does not say const.
  mutable Ort::Session session_{nullptr};
  std::vector<Input> inputs_;
  std::string output_;
  ONNXTensorElementDataType output_type_ = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  int fixed_batch_ = 0;
  int fixed_tokens_ = 0;
  int fixed_height_ = 0;
  int fixed_width_ = 0;
  int dimension_ = 0;
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_ONNX_TOWER_H_
