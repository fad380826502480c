// What a library must hold, as a pure function of the steps that were done: the
// oracle's side of the comparison. Vectors are functions of what they belong to
// (model, asset and version; model, asset and caption), so that one that stands in a wrong
// place tells so itself. Values; no threads of its own.
//
//   WriterState state;
//   for (const Step& step : steps) ApplyStep(state, step);
//   library holds `state` and nothing else of this writer's
#ifndef EIDETIC_TESTS_STRESS_TRUTH_H_
#define EIDETIC_TESTS_STRESS_TRUTH_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "storage/library.h"

namespace eidetic::stress {

inline constexpr int kDimension = 16;

// Two models of the same dimension, so that only what is stored tells their
// vectors apart.
inline constexpr const char* kFingerprints[] = {"0racle", "0racle-the-second"};
using Model = size_t;
std::optional<Model> ModelOf(absl::string_view fingerprint);

// Assets are numbers; writer W owns those with number % writers == W, and paths
// likewise, so that writers do not meet in one.
struct AssetState {
  uint32_t version = 0;
  bool put_by_client = false;
  std::set<uint32_t> paths;
  // Source → numbers of its captions.
  std::map<int, std::set<uint32_t>> captions;

  bool operator==(const AssetState&) const = default;
};

struct WriterState {
  std::map<uint32_t, AssetState> assets;
  // Versions ever given, also of assets that are gone. Not compared.
  std::map<uint32_t, uint32_t> last_version;
};

struct Step {
  enum class Kind { kPut, kAttach, kDetach, kCaptions, kDelete };
  Kind kind = Kind::kPut;
  uint32_t asset = 0;
  uint32_t version = 0;  // kPut
  bool put_by_client = false;
  std::optional<uint32_t> path;
  int source = 0;  // 0: leaves captions alone
  std::set<uint32_t> captions;
};

// Does to the state what the library promises to do. The code is the one it must
// answer with; not OK changes nothing.
absl::StatusCode ApplyStep(WriterState& state, const Step& step);

// With vectors of `model`.
storage::Mutation MakeMutation(const Step& step, Model model);

std::string AssetName(uint32_t asset);
std::string PathName(uint32_t path);
std::string CaptionText(uint32_t asset, uint32_t caption);
// The number of an asset's caption with this text.
std::optional<uint32_t> ParseCaptionText(absl::string_view text, uint32_t asset);
std::optional<uint32_t> ParseAssetName(absl::string_view name);
std::optional<uint32_t> ParsePathName(absl::string_view name);

std::vector<float> AssetVector(Model model, uint32_t asset, uint32_t version);
std::vector<float> CaptionVector(Model model, uint32_t asset, uint32_t caption);

// Whose vector this is; nullopt when it is nobody's.
struct VectorOwner {
  Model model = 0;
  bool is_caption = false;
  uint32_t asset = 0;
  uint32_t number = 0;  // version or caption
};
std::optional<VectorOwner> OwnerOf(std::span<const float> vector);

// One line each, for the journal and for people.
std::string ToText(const Step& step);
std::optional<Step> ParseStep(absl::string_view text);
std::string ToText(const AssetState& asset);
std::optional<AssetState> ParseAssetState(absl::string_view text);

}  // namespace eidetic::stress

#endif  // EIDETIC_TESTS_STRESS_TRUTH_H_
