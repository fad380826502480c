# The libraries Eidetic is built on, all of them Debian packages but ONNX
# Runtime and DuckDB (README.md of their folders in third_party). Each is wrapped so that targets
# name one thing and the traps stay here.

find_package(Threads REQUIRED)
# The module, and before gRPC's config: it defines protobuf_generate.
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(OpenMP REQUIRED)
find_package(BLAS REQUIRED)
find_package(LAPACK REQUIRED)
find_package(faiss CONFIG REQUIRED)
find_package(nlohmann_json CONFIG REQUIRED)
find_package(spdlog CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
if(EIDETIC_BUILD_TESTS)
  find_package(GTest CONFIG REQUIRED)
endif()

# Debian's package exports the shared and the static library; the shared one
# starts as fast and keeps the program small.
add_library(eidetic_rocksdb INTERFACE)
target_link_libraries(eidetic_rocksdb INTERFACE rocksdb)

add_library(eidetic_faiss INTERFACE)
target_link_libraries(eidetic_faiss INTERFACE faiss OpenMP::OpenMP_CXX BLAS::BLAS LAPACK::LAPACK)

# CRoaring: its exported targets are not named alike in all versions.
add_library(eidetic_roaring INTERFACE)
target_link_libraries(eidetic_roaring INTERFACE roaring)

pkg_check_modules(EIDETIC_XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(EIDETIC_JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(EIDETIC_PNG REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(EIDETIC_WEBP REQUIRED IMPORTED_TARGET libwebp libwebpdemux)
pkg_check_modules(EIDETIC_TIFF REQUIRED IMPORTED_TARGET libtiff-4)
pkg_check_modules(EIDETIC_HEIF REQUIRED IMPORTED_TARGET libheif)
pkg_check_modules(EIDETIC_ICU REQUIRED IMPORTED_TARGET icu-uc icu-i18n)
pkg_check_modules(EIDETIC_EXIV2 REQUIRED IMPORTED_TARGET exiv2)
pkg_check_modules(EIDETIC_CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(EIDETIC_HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
# Only its core: the CMake package would ask for the libraries of its own HTTP server and client.
pkg_check_modules(EIDETIC_PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core)
find_package(GIF REQUIRED)
find_package(CLI11 CONFIG REQUIRED)

# ONNX Runtime: a folder with include/ and lib/.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(_onnxruntime_arch arm64)
else()
  set(_onnxruntime_arch x64)
endif()
file(STRINGS "${PROJECT_SOURCE_DIR}/third_party/onnxruntime/VERSION" _onnxruntime_version LIMIT_COUNT 1)
set(EIDETIC_ONNXRUNTIME_ROOT
    "${PROJECT_SOURCE_DIR}/.cache/onnxruntime/${_onnxruntime_version}/${_onnxruntime_arch}"
    CACHE PATH "Folder with ONNX Runtime's include/ and lib/")
find_library(EIDETIC_ONNXRUNTIME_LIBRARY onnxruntime PATHS "${EIDETIC_ONNXRUNTIME_ROOT}/lib" NO_DEFAULT_PATH)
if(NOT EIDETIC_ONNXRUNTIME_LIBRARY)
  message(FATAL_ERROR "ONNX Runtime is not in ${EIDETIC_ONNXRUNTIME_ROOT}/lib: run scripts/setup, "
                      "or name an unpacked release with -DEIDETIC_ONNXRUNTIME_ROOT=DIR")
endif()
add_library(eidetic_onnxruntime INTERFACE)
target_include_directories(eidetic_onnxruntime SYSTEM INTERFACE "${EIDETIC_ONNXRUNTIME_ROOT}/include")
target_link_libraries(eidetic_onnxruntime INTERFACE "${EIDETIC_ONNXRUNTIME_LIBRARY}")
file(REAL_PATH "${EIDETIC_ONNXRUNTIME_LIBRARY}" _onnxruntime_file)
install(FILES "${_onnxruntime_file}" DESTINATION ${CMAKE_INSTALL_LIBDIR}/eidetic)

# DuckDB: the header is here, the library is loaded by the program when it reads or
# writes Parquet. Built against, it need not be there.
file(STRINGS "${PROJECT_SOURCE_DIR}/third_party/duckdb/VERSION" _duckdb_version LIMIT_COUNT 1)
set(EIDETIC_DUCKDB_ROOT "${PROJECT_SOURCE_DIR}/.cache/duckdb/${_duckdb_version}/${_onnxruntime_arch}"
    CACHE PATH "Folder with DuckDB's lib/libduckdb.so")
add_library(eidetic_duckdb INTERFACE)
target_include_directories(eidetic_duckdb SYSTEM INTERFACE "${PROJECT_SOURCE_DIR}/third_party/duckdb/include")
target_compile_definitions(eidetic_duckdb INTERFACE
  EIDETIC_DUCKDB_LIBRARY="${EIDETIC_DUCKDB_ROOT}/lib/libduckdb.so")
target_link_libraries(eidetic_duckdb INTERFACE ${CMAKE_DL_LIBS})
if(EXISTS "${EIDETIC_DUCKDB_ROOT}/lib/libduckdb.so")
  file(REAL_PATH "${EIDETIC_DUCKDB_ROOT}/lib/libduckdb.so" _duckdb_file)
  install(FILES "${_duckdb_file}" DESTINATION ${CMAKE_INSTALL_LIBDIR}/eidetic)
endif()
