# eidetic_image: picture files → pixels → tensors. A library of its own: no
# model and no tokenizer is needed to decode a picture.
eidetic_library(eidetic_image
  SOURCES
    alpha_over_white.cc exif_orientation.cc gif_decoder.cc heif_decoder.cc image_decoder.cc image_format.cc
    image_preprocessor.cc image_rules.cc jpeg_decoder.cc opencv_decoder.cc png_decoder.cc resize.cc resize_kernels.cc
    resize_kernels_avx2.cc tiff_decoder.cc webp_decoder.cc
  DEPENDS
    absl::status absl::statusor absl::strings nlohmann_json::nlohmann_json ${CMAKE_DL_LIBS}
    PkgConfig::EIDETIC_JPEG PkgConfig::EIDETIC_PNG PkgConfig::EIDETIC_WEBP PkgConfig::EIDETIC_TIFF
    PkgConfig::EIDETIC_HEIF GIF::GIF)
target_compile_definitions(eidetic_image PRIVATE EIDETIC_MODULE_DIRECTORY="${CMAKE_INSTALL_LIBDIR}/eidetic")

# OpenCV reads BMP and PNM. Its image codecs drag in GDAL (194 shared libraries,
# 0.2 s), so they are in a module that is opened at the first such picture.
# Debian's small OpenCV packages bring no CMake config.
find_path(EIDETIC_OPENCV_INCLUDE opencv2/imgcodecs.hpp PATH_SUFFIXES opencv4 REQUIRED)
find_library(EIDETIC_OPENCV_CORE opencv_core REQUIRED)
find_library(EIDETIC_OPENCV_IMGCODECS opencv_imgcodecs REQUIRED)
add_library(eidetic_opencv_codecs MODULE opencv_codecs.cc)
target_include_directories(eidetic_opencv_codecs SYSTEM PRIVATE "${EIDETIC_OPENCV_INCLUDE}")
target_link_libraries(eidetic_opencv_codecs PRIVATE
  eidetic_compile "${EIDETIC_OPENCV_CORE}" "${EIDETIC_OPENCV_IMGCODECS}")
set_target_properties(eidetic_opencv_codecs PROPERTIES
  PREFIX "" CXX_VISIBILITY_PRESET hidden
  LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/${CMAKE_INSTALL_LIBDIR}/eidetic")
add_dependencies(eidetic_image eidetic_opencv_codecs)
install(TARGETS eidetic_opencv_codecs LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/eidetic)
