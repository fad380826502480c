// The one EXIF fact that decoding needs: which way up the picture is. A reader
// of its own for a single tag of the first directory, because a metadata library
// parses everything, which costs more than decoding a small photo.
// Stateless; any thread.
#ifndef EIDETIC_ENCODER_EXIF_ORIENTATION_H_
#define EIDETIC_ENCODER_EXIF_ORIENTATION_H_

#include <cstdint>
#include <span>

#include "encoder/image.h"

namespace eidetic::encoder {

// `exif` is a TIFF structure ("II*\0" or "MM\0*" first), with or without the
// "Exif\0\0" that JPEG puts in front. Returns 1 to 8, and 1 (as stored) when the
// tag is missing, out of range or the data are damaged.
int ReadExifOrientation(std::span<const uint8_t> exif);

// Orientations 5 to 8 exchange width and height.
inline bool OrientationSwapsSides(int orientation) { return orientation >= 5 && orientation <= 8; }

// Turns a picture as stored into the picture as displayed.
Image ApplyOrientation(Image image, int orientation);

}  // namespace eidetic::encoder

#endif  // EIDETIC_ENCODER_EXIF_ORIENTATION_H_
