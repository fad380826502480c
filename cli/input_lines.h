// Lists that the user names on the command line. Stateless.
#ifndef EIDETIC_CLI_INPUT_LINES_H_
#define EIDETIC_CLI_INPUT_LINES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace eidetic::cli {

// Lines without their ends, empty ones left out; "-" reads standard input.
absl::StatusOr<std::vector<std::string>> ReadInputLines(const std::string& path);

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_INPUT_LINES_H_
