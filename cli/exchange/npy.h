// Matrices of embeddings as NumPy's .npy files, row by row: a file of any size
// takes a buffer's memory. One thread each.
//
//   ASSIGN_OR_RETURN(auto writer, NpyWriter::Create("img_emb_0.npy", 100, 256, /*half=*/false));
//   RETURN_IF_ERROR(writer->Append(vector));   // 100 times
//   RETURN_IF_ERROR(writer->Finish());
//   ASSIGN_OR_RETURN(auto reader, NpyReader::Open("img_emb_0.npy"));
//   RETURN_IF_ERROR(reader->ReadRow(vector));  // reader->rows() times
#ifndef EIDETIC_EXCHANGE_NPY_H_
#define EIDETIC_EXCHANGE_NPY_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace eidetic::cli::exchange {

class NpyWriter {
 public:
  // float32, or with `half` float16.
  static absl::StatusOr<std::unique_ptr<NpyWriter>> Create(const std::string& path, uint64_t rows,
                                                           size_t dimension, bool half);
  virtual ~NpyWriter() = default;
  virtual absl::Status Append(std::span<const float> row) = 0;
  // Durable when it returns. kInternal when there were not as many rows as said.
  virtual absl::Status Finish() = 0;
};

class NpyReader {
 public:
  // A matrix of float16, float32 or float64 in C order. kInvalidArgument names the
  // file and what is wrong; the header is compared with the file's size before
  // anything else is read.
  static absl::StatusOr<std::unique_ptr<NpyReader>> Open(const std::string& path);
  virtual ~NpyReader() = default;
  virtual uint64_t rows() const = 0;
  virtual size_t dimension() const = 0;
  // The next row, as many values as the dimension.
  virtual absl::Status ReadRow(std::span<float> row) = 0;
};

}  // namespace eidetic::cli::exchange

#endif  // EIDETIC_EXCHANGE_NPY_H_
