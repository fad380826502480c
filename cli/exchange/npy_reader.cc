#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <opencv2/core/cvdef.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/exchange/npy.h"
#include "encoder/npy_file.h"
#include "proto/status_macros.h"

namespace eidetic::cli::exchange {
namespace {

// Longest header that is read; NumPy's own are some hundred bytes.
constexpr size_t kHeaderBytes = size_t{64} << 10;
constexpr size_t kBufferBytes = size_t{1} << 20;
// As the library's own limit.
constexpr size_t kMostDimensions = 65'536;

class NpyReaderImpl final : public NpyReader {
 public:
  NpyReaderImpl(int file, std::string path) : file_(file), path_(std::move(path)) {}
  ~NpyReaderImpl() override { close(file_); }
  NpyReaderImpl(const NpyReaderImpl&) = delete;
  NpyReaderImpl& operator=(const NpyReaderImpl&) = delete;

  absl::Status Start() {
    struct stat info {};
    if (fstat(file_, &info) != 0) return absl::ErrnoToStatus(errno, path_);
    if (!S_ISREG(info.st_mode))
      return absl::InvalidArgumentError(absl::StrCat(path_, " is not a regular file"));
    const auto size = static_cast<uint64_t>(info.st_size);
    std::string beginning(std::min<uint64_t>(size, kHeaderBytes), '\0');
    EIDETIC_RETURN_IF_ERROR(Read(beginning.data(), beginning.size()));
    EIDETIC_ASSIGN_OR_RETURN(const encoder::NpyHeader header,
                             encoder::ParseNpyHeader(beginning, size, path_));
    if (header.type != "<f2" && header.type != "<f4" && header.type != "<f8") {
      return absl::InvalidArgumentError(absl::StrCat(path_, " holds values of type ", header.type,
                                                     ", not float16, float32 or float64 (<f2, <f4, <f8)"));
    }
    if (header.shape.size() != 2 || header.shape[1] == 0 || header.shape[1] > kMostDimensions) {
      return absl::InvalidArgumentError(
          absl::StrCat(path_, " is not a matrix with 1 to ", kMostDimensions, " columns"));
    }
    value_bytes_ = static_cast<size_t>(header.type[2] - '0');
    rows_ = header.shape[0];
    dimension_ = header.shape[1];
    offset_ = header.data_offset;
    const size_t row_bytes = value_bytes_ * dimension_;
    buffer_.resize(std::max<size_t>(1, kBufferBytes / row_bytes) * row_bytes);
    at_ = end_ = 0;
    return absl::OkStatus();
  }

  uint64_t rows() const override { return rows_; }
  size_t dimension() const override { return dimension_; }

  absl::Status ReadRow(std::span<float> row) override {
    if (next_ == rows_ || row.size() != dimension_)
      return absl::InternalError(absl::StrCat(path_, ": no such row"));
    if (at_ == end_) {
      const uint64_t left = (rows_ - next_) * dimension_ * value_bytes_;
      at_ = 0;
      end_ = std::min<uint64_t>(buffer_.size(), left);
      EIDETIC_RETURN_IF_ERROR(Read(buffer_.data(), end_));
    }
    ++next_;
    for (float& value : row) {
      value = Value(buffer_.data() + at_);
      at_ += value_bytes_;
    }
    return absl::OkStatus();
  }

 private:
  float Value(const char* bytes) const {
    if (value_bytes_ == sizeof(float)) {
      float value = 0;
      std::memcpy(&value, bytes, sizeof(value));
      return value;
    }
    if (value_bytes_ == sizeof(double)) {
      double value = 0;
      std::memcpy(&value, bytes, sizeof(value));
      return static_cast<float>(value);
    }
    cv::float16_t value;
    std::memcpy(static_cast<void*>(&value), bytes, sizeof(value));
    return static_cast<float>(value);
  }

  absl::Status Read(char* bytes, size_t count) {
    while (count > 0) {
      const ssize_t got = pread(file_, bytes, count, static_cast<off_t>(offset_));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return absl::ErrnoToStatus(errno, path_);
      if (got == 0)
        return absl::InvalidArgumentError(absl::StrCat(path_, " became shorter while it was read"));
      bytes += got;
      offset_ += static_cast<uint64_t>(got);
      count -= static_cast<size_t>(got);
    }
    return absl::OkStatus();
  }

  const int file_;
  const std::string path_;
  uint64_t offset_ = 0;
  uint64_t rows_ = 0;
  uint64_t next_ = 0;
  size_t dimension_ = 0;
  size_t value_bytes_ = 0;
  std::string buffer_;
  size_t at_ = 0;
  size_t end_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<NpyReader>> NpyReader::Open(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return absl::ErrnoToStatus(errno, path);
  auto reader = std::make_unique<NpyReaderImpl>(file, path);
  EIDETIC_RETURN_IF_ERROR(reader->Start());
  return reader;
}

}  // namespace eidetic::cli::exchange
