// The border of the module eidetic_opencv_codecs: C only, so that no C++ type
// and no exception crosses it. Any thread.
#ifndef EIDETIC_ENCODER_OPENCV_CODECS_H_
#define EIDETIC_ENCODER_OPENCV_CODECS_H_

#include <cstddef>
#include <cstdint>

// Decodes `size` bytes of a BMP or PNM file into width * height * 3 bytes of
// RGB. Returns 0, or 1 with a message in `error` (zero-terminated, cut to
// `error_size`).
extern "C" int EideticOpencvDecode(const uint8_t* bytes, size_t size, int width, int height, uint8_t* rgb,
                                   char* error, size_t error_size);

#endif  // EIDETIC_ENCODER_OPENCV_CODECS_H_
