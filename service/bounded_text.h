// Texts that go into answers and error trailers, which have little room.
// Stateless; any thread.
#ifndef EIDETIC_SERVICE_BOUNDED_TEXT_H_
#define EIDETIC_SERVICE_BOUNDED_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace eidetic::service {

// `text` with what is not printable UTF-8 as \xNN; when that is longer than
// `max_bytes` it is cut between two characters and ends with "…".
std::string BoundedText(absl::string_view text, size_t max_bytes);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_BOUNDED_TEXT_H_
