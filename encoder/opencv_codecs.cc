#include "encoder/opencv_codecs.h"

#include <cstdio>
#include <exception>
#include <opencv2/imgcodecs.hpp>

namespace {

int Fail(const char* message, char* error, size_t error_size) {
  std::snprintf(error, error_size, "%s", message);
  return 1;
}

}  // namespace

__attribute__((visibility("default"))) int EideticOpencvDecode(const uint8_t* bytes, size_t size, int width,
                                                               int height, uint8_t* rgb, char* error,
                                                               size_t error_size) {
  try {
    // OpenCV takes writable data by type only; imdecode reads them.
    const cv::Mat data(1, static_cast<int>(size), CV_8UC1, const_cast<uint8_t*>(bytes));
    const cv::Mat bgr = cv::imdecode(data, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
    if (bgr.empty()) return Fail("the picture data are damaged or truncated", error, error_size);
    if (bgr.type() != CV_8UC3 || bgr.cols != width || bgr.rows != height) {
      return Fail("the picture is not what its header says", error, error_size);
    }
    for (int y = 0; y < height; ++y) {
      const uint8_t* from = bgr.ptr<uint8_t>(y);
      for (int x = 0; x < width; ++x, from += 3, rgb += 3) {
        rgb[0] = from[2];
        rgb[1] = from[1];
        rgb[2] = from[0];
      }
    }
    return 0;
  } catch (const std::exception& exception) {
    return Fail(exception.what(), error, error_size);
  }
}
