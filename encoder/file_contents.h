// A whole file in memory. Blocking; stateless; any thread.
#ifndef EIDETIC_ENCODER_FILE_CONTENTS_H_
#define EIDETIC_ENCODER_FILE_CONTENTS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace eidetic::encoder {

// Errors name the path: kNotFound, kInvalidArgument (a directory, FIFO or
// device), kPermissionDenied and so on from the system; kResourceExhausted when
// the file has more than `max_bytes`, found before memory is taken.
absl::StatusOr<std::string> ReadFileContents(const std::string& path, uint64_t max_bytes);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_FILE_CONTENTS_H_
