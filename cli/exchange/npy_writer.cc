#include <opencv2/core/cvdef.h>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/exchange/npy.h"
#include "proto/status_macros.h"
#include "storage/file_system.h"

namespace eidetic::cli::exchange {
namespace {

// NumPy wants the data to begin at a multiple of this.
constexpr size_t kAlignment = 64;
constexpr size_t kBufferBytes = size_t{1} << 20;

std::string Header(uint64_t rows, size_t dimension, bool half) {
  std::string header("\x93NUMPY\x01\x00", 8);
  std::string dictionary =
      absl::StrCat("{'descr': '", half ? "<f2" : "<f4", "', 'fortran_order': False, 'shape': (", rows, ", ",
                   dimension, "), }");
  const size_t before = header.size() + 2 + dictionary.size() + 1;
  dictionary.append((kAlignment - before % kAlignment) % kAlignment, ' ');
  dictionary.push_back('\n');
  header.push_back(static_cast<char>(dictionary.size() & 0xFF));
  header.push_back(static_cast<char>(dictionary.size() >> 8));
  return header + dictionary;
}

class NpyWriterImpl final : public NpyWriter {
 public:
  NpyWriterImpl(std::unique_ptr<storage::WritableFile> file, std::string path, uint64_t rows,
                size_t dimension, bool half)
      : file_(std::move(file)), path_(std::move(path)), left_(rows), dimension_(dimension), half_(half) {
    buffer_ = Header(rows, dimension, half);
  }

  absl::Status Append(std::span<const float> row) override {
    if (left_ == 0 || row.size() != dimension_) {
      return absl::InternalError(
          absl::StrCat(path_, ": a row of ", row.size(), " values too many or of a wrong size"));
    }
    --left_;
    for (const float value : row) {
      if (half_) {
        AppendBytes(cv::float16_t(value));
      } else {
        AppendBytes(value);
      }
    }
    if (buffer_.size() < kBufferBytes) return absl::OkStatus();
    return Flush();
  }

  absl::Status Finish() override {
    if (left_ > 0) return absl::InternalError(absl::StrCat(path_, ": ", left_, " rows are missing"));
    EIDETIC_RETURN_IF_ERROR(Flush());
    return file_->Sync();
  }

 private:
  template <typename Value>
  void AppendBytes(const Value& value) {
    char bytes[sizeof(value)];
    std::memcpy(bytes, &value, sizeof(value));
    buffer_.append(bytes, sizeof(value));
  }

  absl::Status Flush() {
    EIDETIC_RETURN_IF_ERROR(file_->Append(buffer_));
    buffer_.clear();
    return absl::OkStatus();
  }

  const std::unique_ptr<storage::WritableFile> file_;
  const std::string path_;
  uint64_t left_;
  const size_t dimension_;
  const bool half_;
  std::string buffer_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<NpyWriter>> NpyWriter::Create(const std::string& path, uint64_t rows,
                                                             size_t dimension, bool half) {
  EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<storage::WritableFile> file,
                           storage::PosixFileSystem().NewWritableFile(path));
  return std::make_unique<NpyWriterImpl>(std::move(file), path, rows, dimension, half);
}

}  // namespace eidetic::cli::exchange
