#include "tests/stress/truth.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace eidetic::stress {
namespace {

constexpr std::array<const char*, 5> kKindNames = {"put", "attach", "detach", "captions", "delete"};
// The first value of a vector, of each model; negative for captions.
constexpr std::array<float, 2> kMarks = {0.3F, 0.25F};
constexpr float kAssetScale = 4096;
constexpr float kNumberScale = 65536;

uint64_t Mix(uint64_t value) {
  value += 0x9E3779B97F4A7C15;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
  return value ^ (value >> 31);
}

// Unit length; the first three values say whose it is, the others are noise.
std::vector<float> MakeVector(float mark, uint32_t asset, uint32_t number) {
  std::vector<float> vector(kDimension);
  vector[0] = mark;
  vector[1] = mark * static_cast<float>(asset + 1) / kAssetScale;
  vector[2] = mark * static_cast<float>(number) / kNumberScale;
  double used = 0;
  for (int i = 0; i < 3; ++i) used += static_cast<double>(vector[i]) * vector[i];
  double norm = 0;
  uint64_t random = Mix((uint64_t{asset} << 32 | number) ^ (mark > 0 ? 0 : uint64_t{1} << 63) ^
                        (std::abs(mark) == kMarks[0] ? 0 : uint64_t{1} << 31));
  for (size_t i = 3; i < vector.size(); ++i) {
    random = Mix(random);
    vector[i] = static_cast<float>(static_cast<double>(random >> 11) / (uint64_t{1} << 52) - 1);
    norm += static_cast<double>(vector[i]) * vector[i];
  }
  const double scale = std::sqrt((1 - used) / norm);
  for (size_t i = 3; i < vector.size(); ++i) vector[i] = static_cast<float>(vector[i] * scale);
  return vector;
}

std::string JoinNumbers(const std::set<uint32_t>& numbers) {
  return numbers.empty() ? "-" : absl::StrJoin(numbers, ",");
}

bool ParseNumbers(absl::string_view text, std::set<uint32_t>& numbers) {
  if (text == "-") return true;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    uint32_t number = 0;
    if (!absl::SimpleAtoi(part, &number)) return false;
    numbers.insert(number);
  }
  return true;
}

std::optional<uint32_t> ParseNamed(absl::string_view name, absl::string_view prefix) {
  uint32_t number = 0;
  if (!absl::ConsumePrefix(&name, prefix) || !absl::SimpleAtoi(name, &number)) return std::nullopt;
  return number;
}

// Takes `path` from whoever has it; an asset that only files held goes with its
// last one.
void ReleasePath(WriterState& state, uint32_t path) {
  for (auto asset = state.assets.begin(); asset != state.assets.end(); ++asset) {
    if (asset->second.paths.erase(path) == 0) continue;
    if (asset->second.paths.empty() && !asset->second.put_by_client) state.assets.erase(asset);
    return;
  }
}

void ClaimPath(WriterState& state, uint32_t asset, uint32_t path) {
  if (state.assets[asset].paths.count(path) > 0) return;
  ReleasePath(state, path);
  state.assets[asset].paths.insert(path);
}

}  // namespace

absl::StatusCode ApplyStep(WriterState& state, const Step& step) {
  if (step.kind == Step::Kind::kDetach) {
    const auto has_path = [&](const auto& asset) { return asset.second.paths.count(*step.path) > 0; };
    if (std::none_of(state.assets.begin(), state.assets.end(), has_path)) return absl::StatusCode::kNotFound;
    ReleasePath(state, *step.path);
    return absl::StatusCode::kOk;
  }
  if (step.kind != Step::Kind::kPut && state.assets.count(step.asset) == 0)
    return absl::StatusCode::kNotFound;
  if (step.kind == Step::Kind::kDelete) {
    state.assets.erase(step.asset);
    return absl::StatusCode::kOk;
  }
  AssetState& asset = state.assets[step.asset];
  if (step.kind == Step::Kind::kPut) {
    asset.version = step.version;
    asset.put_by_client |= step.put_by_client;
    state.last_version[step.asset] = std::max(state.last_version[step.asset], step.version);
  }
  if (step.path.has_value()) ClaimPath(state, step.asset, *step.path);
  if (step.source != 0) {
    asset.captions[step.source] = step.captions;
    if (step.captions.empty()) asset.captions.erase(step.source);
  }
  return absl::StatusCode::kOk;
}

storage::Mutation MakeMutation(const Step& step, Model model) {
  std::vector<storage::CaptionSet> sets;
  if (step.source != 0) {
    storage::CaptionSet& set = sets.emplace_back();
    set.source = static_cast<eidetic::v1::CaptionSource>(step.source);
    for (const uint32_t caption : step.captions) {
      set.captions.push_back({CaptionText(step.asset, caption), CaptionVector(model, step.asset, caption)});
    }
  }
  const std::string id = AssetName(step.asset);
  std::optional<storage::PathInput> path;
  if (step.path.has_value()) path.emplace().path = PathName(*step.path);
  switch (step.kind) {
    case Step::Kind::kPut: {
      storage::PutAsset put{
          .asset_id = id, .record = {}, .path = path, .embedding = {}, .caption_sets = sets};
      put.embedding = AssetVector(model, step.asset, step.version);
      put.record.set_put_by_client(step.put_by_client);
      (*put.record.mutable_attributes())["version"] = absl::StrCat(step.version);
      return put;
    }
    case Step::Kind::kAttach:
      return storage::AttachPath{id, *path, sets};
    case Step::Kind::kDetach:
      return storage::DetachPath{path->path};
    case Step::Kind::kCaptions:
      return storage::SetCaptions{id, sets};
    case Step::Kind::kDelete:
      break;
  }
  return storage::DeleteAsset{id};
}

std::string AssetName(uint32_t asset) { return absl::StrCat("asset-", asset); }
std::string PathName(uint32_t path) { return absl::StrCat("/photos/", path); }
std::string CaptionText(uint32_t asset, uint32_t caption) {
  return absl::StrCat("caption ", caption, " of ", asset);
}
std::optional<uint32_t> ParseCaptionText(absl::string_view text, uint32_t asset) {
  const std::string suffix = absl::StrCat(" of ", asset);
  if (!absl::ConsumeSuffix(&text, suffix)) return std::nullopt;
  return ParseNamed(text, "caption ");
}
std::optional<uint32_t> ParseAssetName(absl::string_view name) { return ParseNamed(name, "asset-"); }
std::optional<uint32_t> ParsePathName(absl::string_view name) { return ParseNamed(name, "/photos/"); }

std::vector<float> AssetVector(Model model, uint32_t asset, uint32_t version) {
  return MakeVector(kMarks[model], asset, version);
}
std::vector<float> CaptionVector(Model model, uint32_t asset, uint32_t caption) {
  return MakeVector(-kMarks[model], asset, caption);
}

std::optional<Model> ModelOf(absl::string_view fingerprint) {
  for (Model model = 0; model < std::size(kFingerprints); ++model) {
    if (fingerprint == kFingerprints[model]) return model;
  }
  return std::nullopt;
}

std::optional<VectorOwner> OwnerOf(std::span<const float> vector) {
  if (vector.size() != kDimension) return std::nullopt;
  const auto mark = std::find(kMarks.begin(), kMarks.end(), std::abs(vector[0]));
  if (mark == kMarks.end()) return std::nullopt;
  const VectorOwner owner{
      .model = static_cast<Model>(mark - kMarks.begin()),
      .is_caption = vector[0] < 0,
      .asset = static_cast<uint32_t>(std::lround(vector[1] / vector[0] * kAssetScale) - 1),
      .number = static_cast<uint32_t>(std::lround(vector[2] / vector[0] * kNumberScale))};
  const std::vector<float> whole = owner.is_caption ? CaptionVector(owner.model, owner.asset, owner.number)
                                                    : AssetVector(owner.model, owner.asset, owner.number);
  if (!std::equal(whole.begin(), whole.end(), vector.begin())) return std::nullopt;
  return owner;
}

std::string ToText(const Step& step) {
  return absl::StrCat(kKindNames[static_cast<size_t>(step.kind)], " ", step.asset, " ", step.version, " ",
                      step.put_by_client ? 1 : 0, " ", step.path.has_value() ? absl::StrCat(*step.path) : "-",
                      " ", step.source, " ", JoinNumbers(step.captions));
}

std::optional<Step> ParseStep(absl::string_view text) {
  const std::vector<absl::string_view> fields = absl::StrSplit(text, ' ');
  if (fields.size() != 7) return std::nullopt;
  const auto kind = std::find(kKindNames.begin(), kKindNames.end(), fields[0]);
  Step step;
  uint32_t path = 0;
  if (kind == kKindNames.end() || !absl::SimpleAtoi(fields[1], &step.asset) ||
      !absl::SimpleAtoi(fields[2], &step.version) || !absl::SimpleAtoi(fields[5], &step.source) ||
      !ParseNumbers(fields[6], step.captions) || (fields[4] != "-" && !absl::SimpleAtoi(fields[4], &path))) {
    return std::nullopt;
  }
  step.kind = static_cast<Step::Kind>(kind - kKindNames.begin());
  step.put_by_client = fields[3] == "1";
  if (fields[4] != "-") step.path = path;
  return step;
}

std::string ToText(const AssetState& asset) {
  std::string text =
      absl::StrCat(asset.version, " ", asset.put_by_client ? 1 : 0, " ", JoinNumbers(asset.paths));
  for (const auto& [source, captions] : asset.captions) {
    absl::StrAppend(&text, " ", source, ":", JoinNumbers(captions));
  }
  return text;
}

std::optional<AssetState> ParseAssetState(absl::string_view text) {
  const std::vector<absl::string_view> fields = absl::StrSplit(text, ' ');
  AssetState asset;
  if (fields.size() < 3 || !absl::SimpleAtoi(fields[0], &asset.version) ||
      !ParseNumbers(fields[2], asset.paths)) {
    return std::nullopt;
  }
  asset.put_by_client = fields[1] == "1";
  for (size_t i = 3; i < fields.size(); ++i) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(fields[i], ':');
    int source = 0;
    if (!absl::SimpleAtoi(parts.first, &source) || !ParseNumbers(parts.second, asset.captions[source])) {
      return std::nullopt;
    }
  }
  return asset;
}

}  // namespace eidetic::stress
