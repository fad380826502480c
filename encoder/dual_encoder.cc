#include "encoder/dual_encoder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/call_once.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "encoder/image_preprocessor.h"
#include "encoder/model_folder.h"
#include "encoder/onnx_subgraph.h"
#include "encoder/onnx_tower.h"
#include "encoder/physical_memory.h"
#include "encoder/tokenizer.h"
#include "proto/status_macros.h"

namespace eidetic::encoder {
namespace {

constexpr size_t kTextBatch = 32;
constexpr size_t kPictureBatch = 8;
// What a text tower takes when neither config.json nor the graph says.
constexpr int kDefaultMaxTokens = 512;
constexpr char kProbeText[] = "a photo";

// Some errors name the file within the folder only.
absl::Status NameFolder(const absl::Status& status, const std::string& folder) {
  return status.message().find(folder) == absl::string_view::npos ? AddContext(status, folder) : status;
}

absl::Status ProbeError(const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat("a probe of the model failed: ", status.message()));
}

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

  absl::StatusOr<Embeddings> EncodePictures(std::span<const PreparedPicture> pictures);
  absl::StatusOr<Embeddings> EncodeTexts(std::span<const std::string> texts) const;

  ModelInfo info;
  std::optional<ImagePreprocessor> preprocessor;

 private:
  using Tower = std::unique_ptr<OnnxTower>;

  absl::StatusOr<ModelFolder> ReadFolder(const std::string& path) const;
  // `files` hold what the tower is made of.
  absl::StatusOr<Tower> OpenTower(TowerKind kind, const TowerFiles& tower, const ModelFolder& files,
                                  int threads) const;
  // Opened and of the preprocessor's size, not yet compared with the text tower.
  absl::StatusOr<Tower> OpenImageTower(const ModelFolder& files) const;
  // Opened and checked by the first call, if Load has not done so.
  absl::StatusOr<const OnnxTower*> ImageTower();

  void Describe(const ModelFolder& folder);
  absl::Status LoadTokenizer(const ModelFolder& folder);
  absl::Status CheckPictureSize() const;
  absl::Status FindDimension();
  absl::Status CheckConfiguredDimension() const;
  absl::Status CheckImageDimension(const OnnxTower& tower) const;
  absl::Status ProbeTexts() const;
  absl::Status ProbePictures(const OnnxTower& tower) const;

  absl::StatusOr<Embeddings> RunPictures(const OnnxTower& tower,
                                         std::span<const PreparedPicture> pictures) const;
  absl::StatusOr<std::vector<float>> RunImageTower(const OnnxTower& tower, std::span<const float> pixels,
                                                   int count) const;
  // Tokens that the tower is given for a text of so many.
  size_t FilledLength(size_t tokens) const;
  // `rows` all have the same FilledLength.
  absl::StatusOr<std::vector<float>> RunTextTower(std::span<const std::vector<int64_t>* const> rows) const;
  absl::Status Store(std::span<const float> rows, std::span<const size_t> places, const OnnxTower& tower,
                     Embeddings& embeddings) const;

  Ort::Env env_{ORT_LOGGING_LEVEL_FATAL, "eidetic"};
  DualEncoderOptions options_;
  ModelConfig config_;
  Tower text_tower_;
  std::unique_ptr<Tokenizer> tokenizer_;
  // Batches of texts that one call embeds at a time.
  size_t text_threads_ = 1;
  // Texts are filled up to so many tokens; 0: not at all.
  size_t fill_length_ = 0;
  // Most inputs of one run: 1 where batch-mates would share a scale.
  size_t text_batch_ = kTextBatch;
  size_t picture_batch_ = kPictureBatch;

  absl::once_flag image_tower_once_;
  absl::StatusOr<Tower> image_tower_;
  // The image tower's files, until a lazy encoder needs them: those that were hashed.
  ModelFolder image_files_;
};

absl::Status DualEncoder::Impl::Load(const std::string& path, const DualEncoderOptions& options) {
  options_ = options;
  text_threads_ = options.threads > 0 ? static_cast<size_t>(options.threads)
                                      : std::max(1U, std::thread::hardware_concurrency());
  EIDETIC_ASSIGN_OR_RETURN(ModelFolder folder, ReadFolder(path));
  config_ = folder.config;
  const std::string& rules_file = folder.layout.preprocessor;
  EIDETIC_ASSIGN_OR_RETURN(preprocessor,
                           ImagePreprocessor::FromJson(folder.Contents(rules_file), rules_file));
  if (folder.image_tower.facts.takes_bytes) preprocessor->LeaveBytes();
  if (folder.image_tower.facts.quantizes_dynamically) picture_batch_ = 1;
  if (folder.text_tower.facts.quantizes_dynamically) text_batch_ = 1;
  Describe(folder);
  EIDETIC_RETURN_IF_ERROR(CheckPictureSize());

  // The two sessions take most of the time of a load; they are made side by
  // side, and so is the fingerprint.
  absl::StatusOr<Tower> image_tower = Tower();
  absl::StatusOr<Tower> text_tower;
  {
    std::jthread image_loader([&] {
      if (!options.lazy) image_tower = OpenImageTower(folder);
    });
    std::jthread hasher([&] { info.fingerprint = FingerprintOf(folder); });
    text_tower = OpenTower(TowerKind::kText, folder.text_tower, folder, /*threads=*/1);
  }
  EIDETIC_RETURN_IF_ERROR(image_tower.status());
  EIDETIC_ASSIGN_OR_RETURN(text_tower_, std::move(text_tower));
  EIDETIC_RETURN_IF_ERROR(LoadTokenizer(folder));
  EIDETIC_RETURN_IF_ERROR(FindDimension());
  if (!options.lazy) EIDETIC_RETURN_IF_ERROR(CheckImageDimension(**image_tower));
  EIDETIC_RETURN_IF_ERROR(CheckConfiguredDimension());
  if (options.probe) EIDETIC_RETURN_IF_ERROR(ProbeTexts());
  if (options.probe && !options.lazy) EIDETIC_RETURN_IF_ERROR(ProbePictures(**image_tower));

  info.max_tokens = tokenizer_->max_length();
  info.text_rules = tokenizer_->Describe();
  if (fill_length_ > 0) absl::StrAppend(&info.text_rules, ", filled up to ", fill_length_);
  info.text_tower.graph = text_tower_->Describe();
  if (options.lazy) {
    image_files_ = std::move(folder);
    image_files_.DropTextTower();
  } else {
    info.image_tower.graph = (*image_tower)->Describe();
    absl::call_once(image_tower_once_, [&] { image_tower_ = std::move(image_tower); });
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelFolder> DualEncoder::Impl::ReadFolder(const std::string& path) const {
  EIDETIC_ASSIGN_OR_RETURN(const ModelFiles files, FindModelFiles(path));
  EIDETIC_ASSIGN_OR_RETURN(const ModelVariant chosen,
                           ChooseVariant(files, options_.variant, PhysicalMemoryBytes()));
  EIDETIC_ASSIGN_OR_RETURN(ModelFolder folder, ReadModelFolder(path, files, chosen));
  const bool settled = options_.fingerprint.empty() || !options_.variant.empty() ||
                       files.variants.size() == 1 || FingerprintOf(folder) == options_.fingerprint;
  if (settled) return folder;
  for (const ModelVariant& variant : files.variants) {
    if (variant.name == chosen.name) continue;
    absl::StatusOr<ModelFolder> other = ReadModelFolder(path, files, variant);
    // A damaged one cannot be the model that is wanted.
    if (other.ok() && FingerprintOf(*other) == options_.fingerprint) return other;
  }
  return folder;
}

void DualEncoder::Impl::Describe(const ModelFolder& folder) {
  info.name = folder.name;
  info.folder = folder.path;
  info.layout = std::string(NameOf(folder.layout.layout));
  info.family = config_.family;
  info.variant = folder.variant.name;
  for (const ModelVariant& variant : folder.layout.variants) info.variants.push_back(variant.name);
  info.image_tower.file = folder.image_tower.file;
  info.text_tower.file = folder.text_tower.file;
  info.image_width = preprocessor->width();
  info.image_height = preprocessor->height();
  info.image_rules = preprocessor->Describe();
  info.assumptions = preprocessor->assumptions();
  info.assumptions.insert(info.assumptions.end(), config_.assumptions.begin(), config_.assumptions.end());
  for (const ModelFolder::File& file : folder.files) {
    info.files.push_back(file.name);
    info.total_bytes += file.contents.size();
  }
}

absl::StatusOr<DualEncoder::Impl::Tower> DualEncoder::Impl::OpenTower(TowerKind kind, const TowerFiles& files,
                                                                      const ModelFolder& folder,
                                                                      int threads) const {
  OnnxModel model{.bytes = folder.Contents(files.file), .file = files.file};
  for (const auto& [location, name] : files.external_files) {
    model.external_files.emplace_back(location, folder.Contents(name));
  }
  std::string cut;
  if (folder.layout.layout == ModelLayout::kSingleFile) {
    EIDETIC_ASSIGN_OR_RETURN(cut, CutTower(model.bytes, files.file, SharedGraphOutputs(kind)));
    model.bytes = cut;
  }
  EIDETIC_ASSIGN_OR_RETURN(Tower tower, OnnxTower::Load(env_, kind, model, threads));
  if (tower->fixed_batch() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(files.file, ": takes batches of exactly ",
                                                   tower->fixed_batch(),
                                                   "; export it with a batch of any size, or of 1"));
  }
  return tower;
}

absl::StatusOr<DualEncoder::Impl::Tower> DualEncoder::Impl::OpenImageTower(const ModelFolder& files) const {
  EIDETIC_ASSIGN_OR_RETURN(Tower tower,
                           OpenTower(TowerKind::kImage, files.image_tower, files, options_.threads));
  const int width = preprocessor->width();
  const int height = preprocessor->height();
  const bool fits = (tower->fixed_width() == 0 || tower->fixed_width() == width) &&
                    (tower->fixed_height() == 0 || tower->fixed_height() == height);
  if (!fits) {
    return absl::InvalidArgumentError(absl::StrCat(files.layout.preprocessor, " makes pictures of ", width,
                                                   " × ", height, ", but ", tower->file(), " takes ",
                                                   tower->fixed_width(), " × ", tower->fixed_height()));
  }
  return tower;
}

absl::StatusOr<const OnnxTower*> DualEncoder::Impl::ImageTower() {
  absl::call_once(image_tower_once_, [this] {
    const ModelFolder files = std::exchange(image_files_, {});
    image_tower_ = OpenImageTower(files);
    absl::Status status = image_tower_.status();
    if (status.ok()) status = CheckImageDimension(**image_tower_);
    if (status.ok() && options_.probe) status = ProbePictures(**image_tower_);
    if (!status.ok()) image_tower_ = NameFolder(status, info.folder);
  });
  EIDETIC_RETURN_IF_ERROR(image_tower_.status());
  return image_tower_->get();
}

absl::Status DualEncoder::Impl::LoadTokenizer(const ModelFolder& folder) {
  int max_tokens = config_.max_tokens.value_or(kDefaultMaxTokens);
  const int fixed = text_tower_->fixed_tokens();
  if (fixed > 0) max_tokens = std::min(max_tokens, fixed);
  const ModelFiles& files = folder.layout;
  EIDETIC_ASSIGN_OR_RETURN(
      tokenizer_,
      CreateTokenizer(folder.Contents(files.tokenizer), folder.Contents(files.tokenizer_config),
                      TokenizerOptions{.max_positions = max_tokens, .cleaning = config_.cleaning}));
  if (config_.vocabulary_size && tokenizer_->vocabulary_size() > *config_.vocabulary_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        files.tokenizer, " has ", tokenizer_->vocabulary_size(), " tokens, but the text tower's table has ",
        *config_.vocabulary_size, " rows (", files.config, ": vocab_size)"));
  }
  if (fixed > 0) {
    fill_length_ = static_cast<size_t>(fixed);
  } else if (config_.fills_texts) {
    fill_length_ = static_cast<size_t>(tokenizer_->max_length());
  } else if (!text_tower_->takes_mask() && (config_.max_tokens || tokenizer_->pad_length() > 0)) {
    // Under a mask padding changes nothing; without one it may, and models are
    // trained on texts filled up to their longest.
    fill_length_ = static_cast<size_t>(tokenizer_->max_length());
  }
  return absl::OkStatus();
}

absl::Status DualEncoder::Impl::CheckPictureSize() const {
  const int width = info.image_width;
  const int height = info.image_height;
  if (config_.image_width.value_or(width) == width && config_.image_height.value_or(height) == height) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("pictures are made ", width, " × ", height,
                                                 " by the rules for them, but config.json says image_size ",
                                                 *config_.image_width, " × ", *config_.image_height));
}

// The text graph's output shape says the dimension, or one run does.
absl::Status DualEncoder::Impl::FindDimension() {
  info.dimension = text_tower_->dimension();
  if (info.dimension != 0) return absl::OkStatus();
  const std::vector<int64_t> ids = tokenizer_->Encode(kProbeText);
  const std::vector<int64_t>* rows[] = {&ids};
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<float> row, RunTextTower(rows));
  info.dimension = static_cast<int>(row.size());
  return absl::OkStatus();
}

absl::Status DualEncoder::Impl::CheckConfiguredDimension() const {
  if (!config_.dimension || *config_.dimension == info.dimension) return absl::OkStatus();
  const char* key = config_.family == "open_clip" ? "embed_dim" : "projection_dim";
  return absl::InvalidArgumentError(absl::StrCat("config.json: ", key, " is ", *config_.dimension, ", but ",
                                                 text_tower_->file(), " gives ", info.dimension, " values"));
}

absl::Status DualEncoder::Impl::CheckImageDimension(const OnnxTower& tower) const {
  int dimension = tower.dimension();
  if (dimension == 0) {
    const std::vector<float> grey(preprocessor->tensor_size(), 0.0f);
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<float> row, RunImageTower(tower, grey, 1));
    dimension = static_cast<int>(row.size());
  }
  if (dimension == info.dimension) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(tower.file(), " gives ", dimension, " values, ",
                                                 text_tower_->file(), " gives ", info.dimension,
                                                 ": the towers do not share a space"));
}

absl::Status DualEncoder::Impl::ProbeTexts() const {
  const std::string text = kProbeText;
  const absl::Status status = EncodeTexts({&text, 1}).status();
  return status.ok() ? status : ProbeError(status);
}

absl::Status DualEncoder::Impl::ProbePictures(const OnnxTower& tower) const {
  const PreparedPicture grey{.info = {}, .tensor = std::vector<float>(preprocessor->tensor_size(), 0.1f)};
  const absl::Status status = RunPictures(tower, {&grey, 1}).status();
  return status.ok() ? status : ProbeError(status);
}

absl::StatusOr<std::vector<float>> DualEncoder::Impl::RunImageTower(const OnnxTower& tower,
                                                                    std::span<const float> pixels,
                                                                    int count) const {
  return tower.EncodePixels(pixels, count, preprocessor->height(), preprocessor->width());
}

size_t DualEncoder::Impl::FilledLength(size_t tokens) const { return std::max(tokens, fill_length_); }

absl::StatusOr<std::vector<float>> DualEncoder::Impl::RunTextTower(
    std::span<const std::vector<int64_t>* const> rows) const {
  const size_t length = FilledLength(rows[0]->size());
  std::vector<int64_t> ids(rows.size() * length, tokenizer_->pad_id());
  std::vector<int64_t> mask(ids.size(), config_.attends_to_padding ? 1 : 0);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::copy(rows[i]->begin(), rows[i]->end(), ids.begin() + i * length);
    std::fill_n(mask.begin() + i * length, rows[i]->size(), 1);
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

absl::StatusOr<Embeddings> DualEncoder::Impl::EncodePictures(std::span<const PreparedPicture> pictures) {
  EIDETIC_ASSIGN_OR_RETURN(const OnnxTower* tower, ImageTower());
  return RunPictures(*tower, pictures);
}

absl::StatusOr<Embeddings> DualEncoder::Impl::RunPictures(const OnnxTower& tower,
                                                          std::span<const PreparedPicture> pictures) const {
  const size_t tensor_size = preprocessor->tensor_size();
  Embeddings embeddings{.dimension = info.dimension,
                        .values = std::vector<float>(pictures.size() * info.dimension)};
  std::vector<size_t> places(pictures.size());
  std::iota(places.begin(), places.end(), size_t{0});
  const size_t batch = tower.fixed_batch() == 1 ? 1 : picture_batch_;
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
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<float> rows,
                             RunImageTower(tower, pixels, static_cast<int>(count)));
    EIDETIC_RETURN_IF_ERROR(
        Store(rows, std::span<const size_t>(places).subspan(first, count), tower, embeddings));
  }
  return embeddings;
}

absl::StatusOr<Embeddings> DualEncoder::Impl::EncodeTexts(std::span<const std::string> texts) const {
  std::vector<std::vector<int64_t>> tokens;
  tokens.reserve(texts.size());
  for (const std::string& text : texts) tokens.push_back(tokenizer_->Encode(text));
  // Only texts of equal length share a batch: other padding than they have alone
  // would change the sums' order, and with it the embeddings.
  const auto length = [&](size_t place) { return FilledLength(tokens[place].size()); };
  std::vector<size_t> order(texts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return length(a) < length(b); });

  Embeddings embeddings{.dimension = info.dimension,
                        .values = std::vector<float>(texts.size() * info.dimension)};
  const size_t most = text_tower_->fixed_batch() == 1 ? 1 : text_batch_;
  std::vector<std::span<const size_t>> batches;
  for (size_t first = 0; first < order.size(); first += batches.back().size()) {
    size_t count = 1;
    while (first + count < order.size() && count < most &&
           length(order[first + count]) == length(order[first])) {
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
  if (!status.ok()) return NameFolder(status, folder);
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
