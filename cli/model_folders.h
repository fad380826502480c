// Where model folders are looked for: each folder of $EIDETIC_MODELS
// (colon-separated), then the user's own (where `model pull` puts them), then
// share/eidetic/models beside the installed program, then models/ of the source
// tree the program was built in. Stateless.
#ifndef EIDETIC_CLI_MODEL_FOLDERS_H_
#define EIDETIC_CLI_MODEL_FOLDERS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace eidetic::cli {

// Name of the model that ships with Eidetic.
inline constexpr char kDefaultModel[] = "default";

// Where the user's models go: the first folder of $EIDETIC_MODELS, otherwise
// $XDG_DATA_HOME/eidetic-models or ~/.local/share/eidetic-models; empty when
// there is not even a home folder. It need not exist.
std::string UserModelFolder();

// Folders that hold models, those that exist, in the order they are searched.
std::vector<std::string> ModelSearchPath();

// Absolute folders of all models found, sorted by name; a name that appears
// twice is given once, as FindModelFolder would find it.
std::vector<std::string> ListModelFolders();

// `model` is a folder, a name to look for, or empty ($EIDETIC_MODEL, otherwise
// "default"). kNotFound tells where it was looked for.
absl::StatusOr<std::string> FindModelFolder(const std::string& model);

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_MODEL_FOLDERS_H_
