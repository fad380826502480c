#include "encoder/dual_encoder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "encoder/image_preprocessor.h"
#include "encoder/model_folder.h"
#include "encoder/onnx_tower.h"
#include "encoder/tokenizer.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr size_t kTextBatch = 32;
constexpr size_t kPictureBatch = 8;
// What a text tower takes when neither config.json nor the graph says.
constexpr int kDefaultMaxTokens = 512;
constexpr char kProbeText[] = "a photo";

}  // namespace

absl::Status NormalizeEmbedding(std::span<float> vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * value;
  if (!std::isfinite(squares))
    return absl::InvalidArgumentError("the embedding has values that are not finite");
  if (squares == 0) return absl::InvalidArgumentError("the embedding is all zero");
  const double scale = 1 / std::sqrt(squares);
  for (float& value : vector) value = static_cast<float>(value * scale);
  return absl::OkStatus();
}

class DualEncoder::Impl {
 public:
  absl::Status Load(const std::string& folder, const DualEncoderOptions& options);

  absl::StatusOr<Embeddings> EncodePictures(std::span<const PreparedPicture> pictures) const;
  absl::StatusOr<Embeddings> EncodeTexts(std::span<const std::string> texts) const;

  ModelInfo info;
  std::optional<ImagePreprocessor> preprocessor;

 private:
  absl::Status LoadTowers(const ModelFolder& folder, const DualEncoderOptions& options);
  absl::Status LoadTokenizer(const ModelFolder& folder);
  absl::Status CheckTowers(const ModelFolder& folder) const;
  absl::Status CheckDimension(const ModelFolder& folder);
  absl::Status Probe();

  absl::StatusOr<std::vector<float>> RunImageTower(std::span<const float> pixels, int count) const;
  // `rows` all have the same length.
  absl::StatusOr<std::vector<float>> RunTextTower(std::span<const std::vector<int64_t>* const> rows) const;
  absl::Status Store(std::span<const float> rows, std::span<const size_t> places, const OnnxTower& tower,
                     Embeddings& embeddings) const;

  Ort::Env env_{ORT_LOGGING_LEVEL_FATAL, "eidetic"};
  std::unique_ptr<OnnxTower> image_tower_;
  std::unique_ptr<OnnxTower> text_tower_;
  std::unique_ptr<Tokenizer> tokenizer_;
  // Batches of texts that one call embeds at a time.
  size_t text_threads_ = 1;
};

absl::Status DualEncoder::Impl::Load(const std::string& path, const DualEncoderOptions& options) {
  EIDETIC_ASSIGN_OR_RETURN(const ModelFolder folder, ReadModelFolder(path));
  EIDETIC_ASSIGN_OR_RETURN(
      preprocessor, ImagePreprocessor::FromJson(folder.Contents(kPreprocessorFile), kPreprocessorFile));
  EIDETIC_RETURN_IF_ERROR(LoadTowers(folder, options));
  EIDETIC_RETURN_IF_ERROR(CheckTowers(folder));
  EIDETIC_RETURN_IF_ERROR(CheckDimension(folder));
  if (options.probe) EIDETIC_RETURN_IF_ERROR(Probe());
  info.name = folder.name;
  info.folder = folder.path;
  info.image_width = preprocessor->width();
  info.image_height = preprocessor->height();
  info.max_tokens = tokenizer_->max_length();
  info.image_rules = preprocessor->Describe();
  info.text_rules = tokenizer_->Describe();
  for (const ModelFolder::File& file : folder.files) {
    info.files.push_back(file.name);
    info.total_bytes += file.contents.size();
  }
  return absl::OkStatus();
}

// The two sessions take most of the time of a load; they are made side by side,
// and so are the fingerprint and the tokenizer.
absl::Status DualEncoder::Impl::LoadTowers(const ModelFolder& folder, const DualEncoderOptions& options) {
  const auto load = [&](TowerKind kind, const char* file, int threads) {
    return OnnxTower::Load(env_, kind, folder.Contents(file), file, threads);
  };
  text_threads_ = options.threads > 0 ? static_cast<size_t>(options.threads)
                                      : std::max(1U, std::thread::hardware_concurrency());
  absl::StatusOr<std::unique_ptr<OnnxTower>> image_tower;
  absl::StatusOr<std::unique_ptr<OnnxTower>> text_tower;
  {
    std::jthread image_loader(
        [&] { image_tower = load(TowerKind::kImage, kVisionModelFile, options.threads); });
    std::jthread hasher([&] { info.fingerprint = FingerprintOf(folder); });
    text_tower = load(TowerKind::kText, kTextModelFile, /*threads=*/1);
  }
  EIDETIC_ASSIGN_OR_RETURN(image_tower_, std::move(image_tower));
  EIDETIC_ASSIGN_OR_RETURN(text_tower_, std::move(text_tower));
  return LoadTokenizer(folder);
}

absl::Status DualEncoder::Impl::LoadTokenizer(const ModelFolder& folder) {
  int max_tokens = folder.config.max_tokens.value_or(kDefaultMaxTokens);
  if (text_tower_->fixed_tokens() > 0) max_tokens = std::min(max_tokens, text_tower_->fixed_tokens());
  EIDETIC_ASSIGN_OR_RETURN(tokenizer_, CreateTokenizer(folder.Contents(kTokenizerFile),
                                                       folder.Contents(kTokenizerConfigFile), max_tokens));
  if (folder.config.vocabulary_size && tokenizer_->vocabulary_size() > *folder.config.vocabulary_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        kTokenizerFile, " has ", tokenizer_->vocabulary_size(), " tokens, but the text tower's table has ",
        *folder.config.vocabulary_size, " rows (", kConfigFile, ": text_config: vocab_size)"));
  }
  return absl::OkStatus();
}

absl::Status DualEncoder::Impl::CheckTowers(const ModelFolder& folder) const {
  for (const OnnxTower* tower : {image_tower_.get(), text_tower_.get()}) {
    if (tower->fixed_batch() > 1) {
      return absl::InvalidArgumentError(absl::StrCat(tower->file(), ": takes batches of exactly ",
                                                     tower->fixed_batch(),
                                                     "; export it with a batch of any size, or of 1"));
    }
  }
  const int width = preprocessor->width();
  const int height = preprocessor->height();
  const bool fits = (image_tower_->fixed_width() == 0 || image_tower_->fixed_width() == width) &&
                    (image_tower_->fixed_height() == 0 || image_tower_->fixed_height() == height);
  if (!fits) {
    return absl::InvalidArgumentError(absl::StrCat(
        kPreprocessorFile, " makes pictures of ", width, " × ", height, ", but ", kVisionModelFile, " takes ",
        image_tower_->fixed_width(), " × ", image_tower_->fixed_height()));
  }
  const std::optional<int> side = folder.config.image_size;
  if (side && (*side != width || *side != height)) {
    return absl::InvalidArgumentError(absl::StrCat(kPreprocessorFile, " makes pictures of ", width, " × ",
                                                   height, ", but ", kConfigFile,
                                                   " says vision_config: image_size ", *side));
  }
  return absl::OkStatus();
}

// The graphs' output shapes say the dimension, or config.json does, or one run.
absl::Status DualEncoder::Impl::CheckDimension(const ModelFolder& folder) {
  int image_dimension = image_tower_->dimension();
  if (image_dimension == 0) {
    const std::vector<float> grey(preprocessor->tensor_size(), 0.0f);
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<float> row, RunImageTower(grey, 1));
    image_dimension = static_cast<int>(row.size());
  }
  int text_dimension = text_tower_->dimension();
  if (text_dimension == 0) {
    const std::vector<int64_t> ids = tokenizer_->Encode(kProbeText);
    const std::vector<int64_t>* rows[] = {&ids};
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<float> row, RunTextTower(rows));
    text_dimension = static_cast<int>(row.size());
  }
  if (image_dimension != text_dimension) {
    return absl::InvalidArgumentError(absl::StrCat(kVisionModelFile, " gives ", image_dimension, " values, ",
                                                   kTextModelFile, " gives ", text_dimension,
                                                   ": the towers do not share a space"));
  }
  if (folder.config.dimension && *folder.config.dimension != image_dimension) {
    return absl::InvalidArgumentError(absl::StrCat(kConfigFile, ": projection_dim is ",
                                                   *folder.config.dimension, ", but the towers give ",
                                                   image_dimension, " values"));
  }
  info.dimension = image_dimension;
  return absl::OkStatus();
}

absl::Status DualEncoder::Impl::Probe() {
  const std::string text = kProbeText;
  absl::Status status = EncodeTexts({&text, 1}).status();
  if (status.ok()) {
    const PreparedPicture grey{.info = {}, .tensor = std::vector<float>(preprocessor->tensor_size(), 0.1f)};
    status = EncodePictures({&grey, 1}).status();
  }
  if (status.ok()) return status;
  return absl::InvalidArgumentError(absl::StrCat("a probe of the model failed: ", status.message()));
}

absl::StatusOr<std::vector<float>> DualEncoder::Impl::RunImageTower(std::span<const float> pixels,
                                                                    int count) const {
  return image_tower_->EncodePixels(pixels, count, preprocessor->height(), preprocessor->width());
}

absl::StatusOr<std::vector<float>> DualEncoder::Impl::RunTextTower(
    std::span<const std::vector<int64_t>* const> rows) const {
  const size_t tokens = rows[0]->size();
  const size_t length = std::max(tokens, static_cast<size_t>(text_tower_->fixed_tokens()));
  std::vector<int64_t> ids(rows.size() * length, tokenizer_->pad_id());
  std::vector<int64_t> mask(ids.size(), 0);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy(rows[i]->begin(), rows[i]->end(), ids.begin() + i * length);
    std::fill_n(mask.begin() + i * length, tokens, 1);
  }
  return text_tower_->EncodeTokens(ids, mask, static_cast<int>(rows.size()), static_cast<int>(length));
}

// Normalises `rows` into the places of `embeddings` that they belong to.
absl::Status DualEncoder::Impl::Store(std::span<const float> rows, std::span<const size_t> places,
                                      const OnnxTower& tower, Embeddings& embeddings) const {
  const auto dimension = static_cast<size_t>(info.dimension);
  for (size_t i = 0; i < places.size(); ++i) {
    const std::span<float> row(embeddings.values.data() + places[i] * dimension, dimension);
    std::copy_n(rows.begin() + i * dimension, dimension, row.begin());
    const absl::Status status = NormalizeEmbedding(row);
    if (!status.ok()) return absl::InternalError(absl::StrCat(tower.file(), ": ", status.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<Embeddings> DualEncoder::Impl::EncodePictures(
    std::span<const PreparedPicture> pictures) const {
  const size_t tensor_size = preprocessor->tensor_size();
  Embeddings embeddings{.dimension = info.dimension,
                        .values = std::vector<float>(pictures.size() * info.dimension)};
  std::vector<size_t> places(pictures.size());
  std::iota(places.begin(), places.end(), size_t{0});
  const size_t batch = image_tower_->fixed_batch() == 1 ? 1 : kPictureBatch;
  for (size_t first = 0; first < pictures.size(); first += batch) {
    const size_t count = std::min(batch, pictures.size() - first);
    std::vector<float> pixels;
    pixels.reserve(count * tensor_size);
    for (const PreparedPicture& picture : pictures.subspan(first, count)) {
      if (picture.tensor.size() != tensor_size) {
        return absl::InvalidArgumentError(absl::StrCat("a prepared picture has ", picture.tensor.size(),
                                                       " values; this model takes ", tensor_size));
      }
      pixels.insert(pixels.end(), picture.tensor.begin(), picture.tensor.end());
    }
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<float> rows, RunImageTower(pixels, static_cast<int>(count)));
    EIDETIC_RETURN_IF_ERROR(
        Store(rows, std::span<const size_t>(places).subspan(first, count), *image_tower_, embeddings));
  }
  return embeddings;
}

absl::StatusOr<Embeddings> DualEncoder::Impl::EncodeTexts(std::span<const std::string> texts) const {
  std::vector<std::vector<int64_t>> tokens;
  tokens.reserve(texts.size());
  for (const std::string& text : texts) tokens.push_back(tokenizer_->Encode(text));
  // Only texts of equal length share a batch: padding would change the sums'
  // order, and with it the embeddings.
  std::vector<size_t> order(texts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return tokens[a].size() < tokens[b].size(); });

  Embeddings embeddings{.dimension = info.dimension,
                        .values = std::vector<float>(texts.size() * info.dimension)};
  const size_t most = text_tower_->fixed_batch() == 1 ? 1 : kTextBatch;
  std::vector<std::span<const size_t>> batches;
  for (size_t first = 0; first < order.size(); first += batches.back().size()) {
    size_t count = 1;
    while (first + count < order.size() && count < most &&
           tokens[order[first + count]].size() == tokens[order[first]].size()) {
      ++count;
    }
    batches.push_back(std::span<const size_t>(order).subspan(first, count));
  }

  // One thread a batch: faster than many threads on the small matrices of one.
  std::atomic<size_t> next = 0;
  absl::Mutex mutex;
  absl::Status failure;
  const auto work = [&] {
    for (size_t i = next++; i < batches.size(); i = next++) {
      std::vector<const std::vector<int64_t>*> rows;
      for (const size_t place : batches[i]) rows.push_back(&tokens[place]);
      const absl::StatusOr<std::vector<float>> values = RunTextTower(rows);
      const absl::Status status =
          values.ok() ? Store(*values, batches[i], *text_tower_, embeddings) : values.status();
      if (status.ok()) continue;
      next = batches.size();
      const absl::MutexLock lock(&mutex);
      failure = status;
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (size_t i = 1; i < std::min(text_threads_, batches.size()); ++i) helpers.emplace_back(work);
    work();
  }
  EIDETIC_RETURN_IF_ERROR(failure);
  return embeddings;
}

DualEncoder::DualEncoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DualEncoder::~DualEncoder() = default;

absl::StatusOr<std::unique_ptr<DualEncoder>> DualEncoder::Load(const std::string& folder,
                                                               const DualEncoderOptions& options) {
  std::unique_ptr<Impl> impl;
  try {
    impl = std::make_unique<Impl>();
  } catch (const Ort::Exception& error) {
    return absl::InternalError(absl::StrCat("ONNX Runtime cannot start: ", error.what()));
  }
  const absl::Status status = impl->Load(folder, options);
  if (!status.ok()) {
    // Some errors name the file within the folder only.
    return status.message().find(folder) == absl::string_view::npos ? AddContext(status, folder) : status;
  }
  return absl::WrapUnique(new DualEncoder(std::move(impl)));
}

const ModelInfo& DualEncoder::info() const { return impl_->info; }

absl::StatusOr<PreparedPicture> DualEncoder::PreparePicture(std::span<const uint8_t> bytes,
                                                            const DecodeOptions& options) const {
  const ImagePreprocessor& preprocessor = *impl_->preprocessor;
  PreparedPicture picture;
  EIDETIC_ASSIGN_OR_RETURN(picture.info, ReadImageInfo(bytes, options));
  DecodeOptions decode_options = options;
  decode_options.min_short_side = preprocessor.min_short_side();
  EIDETIC_ASSIGN_OR_RETURN(const Image image, DecodeImage(bytes, decode_options));
  picture.tensor.resize(preprocessor.tensor_size());
  EIDETIC_RETURN_IF_ERROR(preprocessor.Apply(image, picture.tensor));
  return picture;
}

absl::StatusOr<Embeddings> DualEncoder::EncodePictures(std::span<const PreparedPicture> pictures) const {
  return impl_->EncodePictures(pictures);
}

absl::StatusOr<Embeddings> DualEncoder::EncodeTexts(std::span<const std::string> texts) const {
  return impl_->EncodeTexts(texts);
}

}  // namespace eidetic::encoder
