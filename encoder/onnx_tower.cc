#include "encoder/onnx_tower.h"

#include <onnxruntime_session_options_config_keys.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "encoder/onnx_file_check.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

// Names that exporters give the pooled and projected embedding, best first.
constexpr absl::string_view kImageOutputs[] = {"image_embeds", "image_embeddings", "image_features",
                                               "embeddings",   "embedding",        "pooler_output"};
constexpr absl::string_view kTextOutputs[] = {"text_embeds",        "text_embeddings", "text_features",
                                              "sentence_embedding", "embeddings",      "embedding",
                                              "pooler_output"};

bool IsInteger(ONNXTensorElementDataType type) {
  return type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 || type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

Ort::SessionOptions MakeSessionOptions(int threads) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(threads);
  options.SetGraphOptimizationLevel(GraphOptimizationLevel::ORT_ENABLE_ALL);
  // Waiting threads sleep: spinning would take the cores that decode pictures.
  options.AddConfigEntry(kOrtSessionOptionsConfigAllowIntraOpSpinning, "0");
  // Shapes change from call to call; a plan kept for each would never be reused.
  options.DisableMemPattern();
  return options;
}

}  // namespace

absl::Status OnnxTower::Error(absl::string_view problem) const {
  return absl::InvalidArgumentError(absl::StrCat(file_, ": ", problem));
}

absl::StatusOr<std::unique_ptr<OnnxTower>> OnnxTower::Load(const Ort::Env& env, TowerKind kind,
                                                           absl::string_view bytes, absl::string_view file,
                                                           int threads) {
  EIDETIC_RETURN_IF_ERROR(CheckOnnxFile(bytes, file));
  auto tower = absl::WrapUnique(new OnnxTower(file));
  try {
    tower->session_ = Ort::Session(env, bytes.data(), bytes.size(), MakeSessionOptions(threads));
    EIDETIC_RETURN_IF_ERROR(tower->ReadInputs(kind));
    EIDETIC_RETURN_IF_ERROR(tower->ReadOutput(kind));
  } catch (const Ort::Exception& error) {
    return tower->Error(absl::StrCat("ONNX Runtime cannot load it: ", error.what()));
  }
  return tower;
}

absl::Status OnnxTower::ReadInputs(TowerKind kind) {
  const Ort::AllocatorWithDefaultOptions allocator;
  const size_t count = session_.GetInputCount();
  if (kind == TowerKind::kImage && count != 1) {
    return Error(absl::StrCat("an image tower has one input, this has ", count));
  }
  bool ids_seen = false;
  for (size_t i = 0; i < count; ++i) {
    Input input;
    input.name = session_.GetInputNameAllocated(i, allocator).get();
    const Ort::TypeInfo type_info = session_.GetInputTypeInfo(i);
    if (type_info.GetONNXType() != ONNX_TYPE_TENSOR) {
      return Error(absl::StrCat("the input \"", input.name, "\" is not a tensor"));
    }
    const auto tensor = type_info.GetTensorTypeAndShapeInfo();
    input.type = tensor.GetElementType();
    const std::vector<int64_t> shape = tensor.GetShape();
    if (kind == TowerKind::kImage) {
      EIDETIC_RETURN_IF_ERROR(ReadImageInput(input, shape));
    } else {
      EIDETIC_RETURN_IF_ERROR(ReadTextInput(input, shape));
      ids_seen = ids_seen || inputs_.back().role == InputRole::kIds;
    }
  }
  if (kind == TowerKind::kText && !ids_seen) return Error("has no input \"input_ids\"");
  return absl::OkStatus();
}

absl::Status OnnxTower::ReadImageInput(const Input& input, const std::vector<int64_t>& shape) {
  if (input.type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
    return Error(absl::StrCat("the input \"", input.name, "\" must be float32"));
  }
  if (shape.size() != 4 || (shape[1] > 0 && shape[1] != 3)) {
    return Error(absl::StrCat("the input \"", input.name, "\" has shape ", ShapeText(shape),
                              "; expected [batch, 3, height, width]"));
  }
  inputs_.push_back(input);
  EIDETIC_RETURN_IF_ERROR(Fix(fixed_batch_, shape[0], "batch"));
  EIDETIC_RETURN_IF_ERROR(Fix(fixed_height_, shape[2], "height"));
  return Fix(fixed_width_, shape[3], "width");
}

absl::Status OnnxTower::ReadTextInput(const Input& input, const std::vector<int64_t>& shape) {
  static constexpr std::pair<absl::string_view, InputRole> kRoles[] = {
      {"input_ids", InputRole::kIds},
      {"attention_mask", InputRole::kMask},
      {"token_type_ids", InputRole::kTypes},
      {"position_ids", InputRole::kPositions},
  };
  const auto* role = std::find_if(std::begin(kRoles), std::end(kRoles),
                                  [&](const auto& entry) { return entry.first == input.name; });
  if (role == std::end(kRoles)) {
    return Error(absl::StrCat("the input \"", input.name,
                              "\" is unknown; a text tower takes input_ids and perhaps attention_mask, "
                              "token_type_ids and position_ids"));
  }
  if (!IsInteger(input.type))
    return Error(absl::StrCat("the input \"", input.name, "\" must be int64 or int32"));
  if (shape.size() != 2) {
    return Error(absl::StrCat("the input \"", input.name, "\" has shape ", ShapeText(shape),
                              "; expected [batch, tokens]"));
  }
  inputs_.push_back(input);
  inputs_.back().role = role->second;
  EIDETIC_RETURN_IF_ERROR(Fix(fixed_batch_, shape[0], "batch"));
  return Fix(fixed_tokens_, shape[1], "number of tokens");
}

absl::Status OnnxTower::Fix(int& size, int64_t side, absl::string_view what) {
  if (side <= 0) return absl::OkStatus();  // Any size.
  if (side > std::numeric_limits<int>::max() || (size != 0 && size != side)) {
    return Error(absl::StrCat("its inputs disagree on the ", what, ": ", size, " and ", side));
  }
  size = static_cast<int>(side);
  return absl::OkStatus();
}

absl::Status OnnxTower::ReadOutput(TowerKind kind) {
  const Ort::AllocatorWithDefaultOptions allocator;
  std::vector<std::string> names;
  for (size_t i = 0; i < session_.GetOutputCount(); ++i) {
    names.emplace_back(session_.GetOutputNameAllocated(i, allocator).get());
  }
  const std::span<const absl::string_view> preferred =
      kind == TowerKind::kImage ? std::span<const absl::string_view>(kImageOutputs) : kTextOutputs;
  for (const absl::string_view name : preferred) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) continue;
    const Ort::TypeInfo type_info = session_.GetOutputTypeInfo(found - names.begin());
    if (type_info.GetONNXType() != ONNX_TYPE_TENSOR) break;
    const auto tensor = type_info.GetTensorTypeAndShapeInfo();
    const std::vector<int64_t> shape = tensor.GetShape();
    if (tensor.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT || shape.size() != 2) {
      return Error(absl::StrCat("the output \"", name, "\" has shape ", ShapeText(shape),
                                "; expected float32 [batch, dimension]"));
    }
    output_ = *found;
    return Fix(dimension_, shape[1], "dimension");
  }
  return Error(absl::StrCat("none of its outputs (", absl::StrJoin(names, ", "),
                            ") is an embedding; expected one of ", absl::StrJoin(preferred, ", ")));
}

absl::StatusOr<std::vector<float>> OnnxTower::EncodePixels(std::span<const float> pixels, int count,
                                                           int height, int width) const {
  const int64_t shape[] = {count, 3, height, width};
  try {
    const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    // ONNX Runtime reads inputs only; its API has no const.
    const Ort::Value value = Ort::Value::CreateTensor<float>(memory, const_cast<float*>(pixels.data()),
                                                             pixels.size(), shape, std::size(shape));
    return Run({&value, 1}, count);
  } catch (const Ort::Exception& error) {
    return absl::InternalError(absl::StrCat(file_, ": ", error.what()));
  }
}

absl::StatusOr<std::vector<float>> OnnxTower::EncodeTokens(std::span<const int64_t> ids,
                                                           std::span<const int64_t> mask, int count,
                                                           int length) const {
  const int64_t shape[] = {count, length};
  const std::vector<int64_t> types(ids.size(), 0);
  std::vector<int64_t> positions(ids.size());
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int64_t>(i) % length;
  std::vector<std::vector<int32_t>> narrow;
  narrow.reserve(inputs_.size());
  std::vector<Ort::Value> values;
  try {
    const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    for (const Input& input : inputs_) {
      std::span<const int64_t> source = ids;
      if (input.role == InputRole::kMask) source = mask;
      if (input.role == InputRole::kTypes) source = types;
      if (input.role == InputRole::kPositions) source = positions;
      if (input.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32) {
        std::vector<int32_t>& data = narrow.emplace_back(source.begin(), source.end());
        values.push_back(Ort::Value::CreateTensor<int32_t>(memory, data.data(), data.size(), shape, 2));
      } else {
        values.push_back(Ort::Value::CreateTensor<int64_t>(memory, const_cast<int64_t*>(source.data()),
                                                           source.size(), shape, 2));
      }
    }
    return Run(values, count);
  } catch (const Ort::Exception& error) {
    return absl::InternalError(absl::StrCat(file_, ": ", error.what()));
  }
}

absl::StatusOr<std::vector<float>> OnnxTower::Run(std::span<const Ort::Value> values, int count) const {
  std::vector<const char*> names;
  for (const Input& input : inputs_) names.push_back(input.name.c_str());
  const char* output = output_.c_str();
  const std::vector<Ort::Value> outputs =
      session_.Run(Ort::RunOptions{nullptr}, names.data(), values.data(), values.size(), &output, 1);
  const std::vector<int64_t> shape = outputs[0].GetTensorTypeAndShapeInfo().GetShape();
  const bool as_expected =
      shape.size() == 2 && shape[0] == count && shape[1] > 0 && (dimension_ == 0 || shape[1] == dimension_);
  if (!as_expected) {
    return Error(absl::StrCat("the output \"", output_, "\" came with shape ", ShapeText(shape), " for ",
                              count, " inputs"));
  }
  const float* data = outputs[0].GetTensorData<float>();
  return std::vector<float>(data, data + shape[0] * shape[1]);
}

}  // namespace eidetic::encoder
