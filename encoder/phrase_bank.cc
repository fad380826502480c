#include "encoder/phrase_bank.h"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "encoder/dual_encoder.h"
#include "encoder/file_contents.h"
#include "encoder/npy_file.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr uint64_t kMostTextBytes = uint64_t{64} << 20;
constexpr uint64_t kMostEmbeddingBytes = uint64_t{1} << 30;

}  // namespace

absl::StatusOr<PhraseBank> LoadPhraseBank(const std::string& model_folder, int dimension) {
  PhraseBank bank{.dimension = dimension, .phrases = {}, .embeddings = {}};
  const std::string folder = absl::StrCat(model_folder, "/phrase_bank");
  std::error_code error;
  if (!std::filesystem::exists(folder, error)) {
    if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot look at ", folder));
    return bank;
  }
  const std::string phrases_path = absl::StrCat(folder, "/phrases.txt");
  const std::string embeddings_path = absl::StrCat(folder, "/embeddings.npy");
  const std::string scales_path = absl::StrCat(folder, "/scales.npy");

  EIDETIC_ASSIGN_OR_RETURN(const std::string text, ReadFileContents(phrases_path, kMostTextBytes));
  bank.phrases = absl::StrSplit(text, '\n');
  if (bank.phrases.back().empty()) bank.phrases.pop_back();  // The end of the last line.

  EIDETIC_ASSIGN_OR_RETURN(const std::string embeddings_bytes,
                           ReadFileContents(embeddings_path, kMostEmbeddingBytes));
  EIDETIC_ASSIGN_OR_RETURN(const NpyArray embeddings, ParseNpy(embeddings_bytes, embeddings_path));
  const size_t rows = bank.phrases.size();
  const auto columns = static_cast<size_t>(dimension);
  if (embeddings.type != "|i1" || embeddings.shape != std::vector<size_t>{rows, columns}) {
    return absl::InvalidArgumentError(absl::StrCat(embeddings_path, ": must be int8 with ", rows,
                                                   " rows (as phrases.txt has lines) of ", columns,
                                                   " (the model's dimension)"));
  }
  EIDETIC_ASSIGN_OR_RETURN(const std::string scales_bytes, ReadFileContents(scales_path, kMostTextBytes));
  EIDETIC_ASSIGN_OR_RETURN(const NpyArray scales, ParseNpy(scales_bytes, scales_path));
  if (scales.type != "<f4" || scales.shape != std::vector<size_t>{rows}) {
    return absl::InvalidArgumentError(absl::StrCat(scales_path, ": must be float32 with ", rows, " values"));
  }

  bank.embeddings.resize(rows * columns);
  for (size_t row = 0; row < rows; ++row) {
    float scale = 0;
    std::memcpy(&scale, scales.data.data() + row * sizeof(scale), sizeof(scale));
    const std::span<float> vector(bank.embeddings.data() + row * columns, columns);
    for (size_t i = 0; i < columns; ++i) {
      vector[i] = scale * static_cast<float>(static_cast<int8_t>(embeddings.data[row * columns + i]));
    }
    EIDETIC_RETURN_IF_ERROR(
        AddContext(NormalizeEmbedding(vector), absl::StrCat(embeddings_path, ": row ", row)));
  }
  return bank;
}

}  // namespace eidetic::encoder
