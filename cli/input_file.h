// Files that the user names on the command line. Stateless.
#ifndef EIDETIC_CLI_INPUT_FILE_H_
#define EIDETIC_CLI_INPUT_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace eidetic::cli {

// Whole content. Only regular files (a FIFO never blocks); `max_bytes` is
// checked before memory is taken. Errors name the file: kNotFound,
// kPermissionDenied, kInvalidArgument (a folder, a device), kResourceExhausted.
absl::StatusOr<std::string> ReadInputFile(const std::string& path, uint64_t max_bytes);

// Lines without their ends, empty ones left out; "-" reads standard input.
absl::StatusOr<std::vector<std::string>> ReadInputLines(const std::string& path);

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_INPUT_FILE_H_
