// Tells a picture's format from its first bytes. Stateless; any thread.
#ifndef EIDETIC_ENCODER_IMAGE_FORMAT_H_
#define EIDETIC_ENCODER_IMAGE_FORMAT_H_

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "encoder/image_decoder.h"

namespace eidetic::encoder {

// "JPEG" and so on, for messages.
absl::string_view FormatName(ImageFormat format);

// kUnimplemented names a format that is known but not read (JPEG 2000, PDF …),
// kInvalidArgument is for everything else.
absl::StatusOr<ImageFormat> DetectImageFormat(std::span<const uint8_t> bytes);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_IMAGE_FORMAT_H_
