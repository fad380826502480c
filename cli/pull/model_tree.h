// A model's repository as a Hugging Face-style server lists it, and which of its
// files a model folder needs. Value types; any thread.
//
//   ASSIGN_OR_RETURN(ModelSource source, ParseModelSource("Xenova/clip-vit-base-patch32", "main", endpoint));
//   ASSIGN_OR_RETURN(std::vector<RemoteFile> files, ParseModelTree(listing));
#ifndef EIDETIC_CLI_PULL_MODEL_TREE_H_
#define EIDETIC_CLI_PULL_MODEL_TREE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::cli {

struct ModelSource {
  std::string endpoint;    // "https://host"
  std::string repository;  // "owner/name"
  std::string revision;

  // The repository's own name.
  std::string name() const;
  std::string TreeUrl() const;
  std::string FileUrl(absl::string_view path) const;
};

// `model` is "owner/name", or a URL of a repository: its server and, behind
// /tree/, its revision then count instead. kInvalidArgument tells what was expected.
absl::StatusOr<ModelSource> ParseModelSource(absl::string_view model, absl::string_view revision,
                                             absl::string_view endpoint);

struct RemoteFile {
  std::string path;  // relative, inside the repository
  uint64_t size = 0;
  // One of them, in hexadecimal digits: of the content, or of Git's blob.
  std::string sha256;
  std::string git_sha1;
};

// kInvalidArgument for JSON that is no such listing, and for paths that lead out
// of the folder.
absl::StatusOr<std::vector<RemoteFile>> ParseModelTree(absl::string_view json);

struct ChosenFiles {
  std::string variant;
  std::vector<RemoteFile> files;
  uint64_t bytes = 0;
};

// What a folder with this variant needs (empty: the best that fits
// `memory_bytes`), with the README and licence. Errors as encoder::FindModelFiles
// and ChooseVariant.
absl::StatusOr<ChosenFiles> ChooseFiles(const std::vector<RemoteFile>& files, const std::string& repository,
                                        absl::string_view variant, uint64_t memory_bytes);

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_PULL_MODEL_TREE_H_
