#include "encoder/onnx_tower.h"

#include <onnxruntime_session_options_config_keys.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

// Names that exporters give the pooled and projected embedding, best first. In a
// file with both towers only those count that say which tower they are of.
constexpr absl::string_view kImageOutputs[] = {"image_embeds",   "image_embeddings", "image_embedding",
                                               "image_features", "embeddings",       "embedding",
                                               "pooler_output"};
constexpr absl::string_view kTextOutputs[] = {"text_embeds",   "text_embeddings",    "text_embedding",
                                              "text_features", "sentence_embedding", "embeddings",
                                              "embedding",     "pooler_output"};
constexpr size_t kTowerOutputs = 4;

std::span<const absl::string_view> OutputsOf(TowerKind kind) {
  return kind == TowerKind::kImage ? std::span<const absl::string_view>(kImageOutputs) : kTextOutputs;
}

bool IsInteger(ONNXTensorElementDataType type) {
  return type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 || type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
}

bool IsFloat(ONNXTensorElementDataType type) {
  return type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT || type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
}

absl::string_view NameOf(ONNXTensorElementDataType type) {
  switch (type) {
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT:
      return "float32";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16:
      return "float16";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8:
      return "uint8";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32:
      return "int32";
    case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
      return "int64";
    default:
      return "another type";
  }
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

// Pictures as the graph wants them: of its element type, and perhaps with the
// three channels of a pixel side by side.
template <typename T>
std::vector<T> ConvertPixels(std::span<const float> pixels, int count, size_t plane, bool channels_last) {
  std::vector<T> result;
  result.reserve(pixels.size());
  const auto convert = [](float value) {
    if constexpr (std::is_same_v<T, uint8_t>) {
      return static_cast<uint8_t>(std::lround(value));
    } else {
      return T(value);
    }
  };
  for (int i = 0; i < count; ++i) {
    const std::span<const float> picture = pixels.subspan(i * 3 * plane, 3 * plane);
    if (!channels_last) {
      for (const float value : picture) result.push_back(convert(value));
      continue;
    }
    for (size_t pixel = 0; pixel < plane; ++pixel) {
      for (size_t channel = 0; channel < 3; ++channel) {
        result.push_back(convert(picture[channel * plane + pixel]));
      }
    }
  }
  return result;
}

// Borrows `data`. ONNX Runtime reads inputs only; its API has no const.
template <typename T>
Ort::Value BorrowTensor(std::span<const T> data, std::span<const int64_t> shape) {
  const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  return Ort::Value::CreateTensor<T>(memory, const_cast<T*>(data.data()), data.size(), shape.data(),
                                     shape.size());
}

void AddExternalFiles(const OnnxModel& model, Ort::SessionOptions& options) {
  if (model.external_files.empty()) return;
  std::vector<std::string> names;
  std::vector<char*> contents;
  std::vector<size_t> sizes;
  for (const auto& [name, bytes] : model.external_files) {
    names.push_back(name);
    contents.push_back(const_cast<char*>(bytes.data()));
    sizes.push_back(bytes.size());
  }
  options.AddExternalInitializersFromFilesInMemory(names, contents, sizes);
}

}  // namespace

std::span<const absl::string_view> SharedGraphOutputs(TowerKind kind) {
  return OutputsOf(kind).first(kTowerOutputs);
}

absl::Status OnnxTower::Error(absl::string_view problem) const {
  return absl::InvalidArgumentError(absl::StrCat(file_, ": ", problem));
}

absl::StatusOr<std::unique_ptr<OnnxTower>> OnnxTower::Load(const Ort::Env& env, TowerKind kind,
                                                           const OnnxModel& model, int threads) {
  auto tower = absl::WrapUnique(new OnnxTower(model.file));
  try {
    Ort::SessionOptions options = MakeSessionOptions(threads);
    AddExternalFiles(model, options);
    tower->session_ = Ort::Session(env, model.bytes.data(), model.bytes.size(), options);
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
  if (kind == TowerKind::kText && !ids_seen) return Error("has no input \"input_ids\" or \"text\"");
  return absl::OkStatus();
}

absl::Status OnnxTower::ReadImageInput(const Input& input, const std::vector<int64_t>& shape) {
  const bool bytes = input.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
  if (!bytes && !IsFloat(input.type)) {
    return Error(absl::StrCat("the input \"", input.name, "\" must be float32, float16 or uint8"));
  }
  const bool channels_last = shape.size() == 4 && shape[3] == 3 && shape[1] != 3;
  const bool understood = shape.size() == 4 && (channels_last || shape[1] <= 0 || shape[1] == 3);
  if (!understood) {
    return Error(absl::StrCat("the input \"", input.name, "\" has shape ", ShapeText(shape),
                              "; expected [batch, 3, height, width] or [batch, height, width, 3]"));
  }
  inputs_.push_back(input);
  inputs_.back().channels_last = channels_last;
  EIDETIC_RETURN_IF_ERROR(Fix(fixed_batch_, shape[0], "batch"));
  EIDETIC_RETURN_IF_ERROR(Fix(fixed_height_, shape[channels_last ? 1 : 2], "height"));
  return Fix(fixed_width_, shape[channels_last ? 2 : 3], "width");
}

absl::Status OnnxTower::ReadTextInput(const Input& input, const std::vector<int64_t>& shape) {
  static constexpr std::pair<absl::string_view, InputRole> kRoles[] = {
      {"input_ids", InputRole::kIds},          {"text", InputRole::kIds},
      {"attention_mask", InputRole::kMask},    {"token_type_ids", InputRole::kTypes},
      {"position_ids", InputRole::kPositions},
  };
  const auto* role = std::find_if(std::begin(kRoles), std::end(kRoles),
                                  [&](const auto& entry) { return entry.first == input.name; });
  if (role == std::end(kRoles)) {
    return Error(absl::StrCat("the input \"", input.name,
                              "\" is unknown; a text tower takes input_ids or text, and perhaps "
                              "attention_mask, token_type_ids and position_ids"));
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
  const std::span<const absl::string_view> preferred = OutputsOf(kind);
  for (const absl::string_view name : preferred) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) continue;
    const Ort::TypeInfo type_info = session_.GetOutputTypeInfo(found - names.begin());
    if (type_info.GetONNXType() != ONNX_TYPE_TENSOR) break;
    const auto tensor = type_info.GetTensorTypeAndShapeInfo();
    const std::vector<int64_t> shape = tensor.GetShape();
    output_type_ = tensor.GetElementType();
    if (!IsFloat(output_type_) || shape.size() != 2) {
      return Error(absl::StrCat("the output \"", name, "\" is ", NameOf(output_type_), " ", ShapeText(shape),
                                "; expected float32 or float16 [batch, dimension]"));
    }
    output_ = *found;
    return Fix(dimension_, shape[1], "dimension");
  }
  return Error(absl::StrCat("none of its outputs (", absl::StrJoin(names, ", "),
                            ") is an embedding; expected one of ", absl::StrJoin(preferred, ", ")));
}

absl::StatusOr<std::vector<float>> OnnxTower::EncodePixels(std::span<const float> pixels, int count,
                                                           int height, int width) const {
  const Input& input = inputs_.front();
  const int64_t channels_first[] = {count, 3, height, width};
  const int64_t channels_last[] = {count, height, width, 3};
  const std::span<const int64_t> shape = input.channels_last ? channels_last : channels_first;
  const size_t plane = static_cast<size_t>(height) * static_cast<size_t>(width);
  std::vector<uint8_t> bytes;
  std::vector<Ort::Float16_t> halves;
  std::vector<float> floats;
  try {
    Ort::Value value;
    if (input.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8) {
      bytes = ConvertPixels<uint8_t>(pixels, count, plane, input.channels_last);
      value = BorrowTensor<uint8_t>(bytes, shape);
    } else if (input.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16) {
      halves = ConvertPixels<Ort::Float16_t>(pixels, count, plane, input.channels_last);
      value = BorrowTensor<Ort::Float16_t>(halves, shape);
    } else if (input.channels_last) {
      floats = ConvertPixels<float>(pixels, count, plane, input.channels_last);
      value = BorrowTensor<float>(floats, shape);
    } else {
      value = BorrowTensor<float>(pixels, shape);
    }
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
    for (const Input& input : inputs_) {
      std::span<const int64_t> source = ids;
      if (input.role == InputRole::kMask) source = mask;
      if (input.role == InputRole::kTypes) source = types;
      if (input.role == InputRole::kPositions) source = positions;
      if (input.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32) {
        const std::vector<int32_t>& data = narrow.emplace_back(source.begin(), source.end());
        values.push_back(BorrowTensor<int32_t>(data, shape));
      } else {
        values.push_back(BorrowTensor<int64_t>(source, shape));
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
  const auto size = static_cast<size_t>(shape[0] * shape[1]);
  if (output_type_ == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16) {
    const auto* halves = outputs[0].GetTensorData<Ort::Float16_t>();
    std::vector<float> row(size);
    std::transform(halves, halves + size, row.begin(), [](Ort::Float16_t half) { return half.ToFloat(); });
    return row;
  }
  const float* data = outputs[0].GetTensorData<float>();
  return std::vector<float>(data, data + size);
}

std::string OnnxTower::Describe() const {
  const std::string inputs = absl::StrJoin(inputs_, ", ", [](std::string* out, const Input& input) {
    absl::StrAppend(out, input.name, " ", NameOf(input.type), input.channels_last ? " channels last" : "");
  });
  return absl::StrCat(inputs, " → ", output_, " ", NameOf(output_type_));
}

bool OnnxTower::takes_mask() const {
  return std::any_of(inputs_.begin(), inputs_.end(),
                     [](const Input& input) { return input.role == InputRole::kMask; });
}

}  // namespace eidetic::encoder
