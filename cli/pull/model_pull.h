// Downloads a model folder: lists the repository, downloads the files of one
// variant beside the folder's place, checks every checksum, loads the model, and
// only then gives the folder its name. What came is kept after an error, and the
// same call goes on with it. Blocking; any thread.
//
//   auto pulled = PullModel({.source = source, .folder = "models/clip"}, client, progress);
#ifndef EIDETIC_CLI_PULL_MODEL_PULL_H_
#define EIDETIC_CLI_PULL_MODEL_PULL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "cli/pull/http_client.h"
#include "cli/pull/model_tree.h"

namespace eidetic::cli {

// Ending of the folder that is being filled.
inline constexpr char kPartialEnding[] = ".partial";

struct PullRequest {
  ModelSource source;
  std::string variant;  // empty: the best that fits this machine's memory
  std::string folder;   // made, with those above it
};

struct PullProgress {
  std::string file;
  uint64_t done = 0;  // bytes of all files
  uint64_t total = 0;
};

struct PulledModel {
  std::string variant;
  std::string fingerprint;
  size_t files = 0;
  uint64_t bytes = 0;
};

// Errors: those of HttpClient, ParseModelTree and ChooseFiles, and of
// encoder::DualEncoder::Load for what was downloaded; kAlreadyExists when there is
// something at `folder`, kDataLoss when a file has another checksum than listed,
// kResourceExhausted when the disk has too little room, kUnavailable also while
// another process pulls it. `progress` may say false to stop.
absl::StatusOr<PulledModel> PullModel(const PullRequest& request, HttpClient& client,
                                      absl::FunctionRef<bool(const PullProgress&)> progress);

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_PULL_MODEL_PULL_H_
