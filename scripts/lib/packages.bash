# Sourced by scripts/setup: the Debian packages, by what they are for. docs/install.md explains each.
# shellcheck shell=bash disable=SC2034

build_packages=(
  # compiler and build
  build-essential ca-certificates ccache cmake git ninja-build pkg-config
  # search, storage, network
  libabsl-dev libfaiss-dev libgrpc++-dev libopenblas-dev libprotobuf-dev libroaring-dev librocksdb-dev
  libssl-dev protobuf-compiler protobuf-compiler-grpc
  # pictures and their metadata
  libexiv2-dev libgif-dev libheif-dev libopencv-core-dev libopencv-imgcodecs-dev libopencv-imgproc-dev
  libpng-dev libtiff-dev libturbojpeg0-dev libwebp-dev
  # log, metrics, HTTP
  libcpp-httplib-dev libcurl4-openssl-dev libspdlog-dev prometheus-cpp-dev
  # text, command line, JSON, hashes
  libcli11-dev libicu-dev libxxhash-dev nlohmann-json3-dev
  # tests and benchmarks: part of the same build
  libbenchmark-dev libgmock-dev libgtest-dev
)

# Only to download ONNX Runtime, and only where there is no npm yet.
npm_packages=(nodejs npm)

# Photos under free licences, to try Eidetic with; the end-to-end tests use them too.
demo_packages=(lomiri-wallpapers-16.04 lomiri-wallpapers-20.04)

# What tests run beside the programs: a gRPC client that is not ours, and checks of these scripts and of the layout.
test_packages=(clang-format python3 python3-grpcio python3-protobuf shellcheck)
