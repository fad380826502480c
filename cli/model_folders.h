// Where model folders are looked for: each folder of $EIDETIC_MODELS
// (colon-separated), then share/eidetic/models beside the installed program,
// then models/ of the source tree the program was built in. Stateless.
#ifndef EIDETIC_CLI_MODEL_FOLDERS_H_
#define EIDETIC_CLI_MODEL_FOLDERS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace eidetic::cli {

// Name of the model that ships with Eidetic.
inline constexpr char kDefaultModel[] = "default";

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
