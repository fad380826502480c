// Parquet files with columns of text, numbers and bytes (written and read by
// DuckDB, see duckdb.h). One thread each.
//
//   ASSIGN_OR_RETURN(auto writer, ParquetWriter::Open({{"image_path", ParquetType::kText}}, scratch));
//   RETURN_IF_ERROR(writer->AddRow({path}));
//   RETURN_IF_ERROR(writer->Write("metadata_0.parquet"));
//   ASSIGN_OR_RETURN(auto reader, ParquetReader::Open("metadata_0.parquet", {"image_path"}, scratch));
//   ASSIGN_OR_RETURN(bool more, reader->Next(row));
#ifndef EIDETIC_EXCHANGE_PARQUET_H_
#define EIDETIC_EXCHANGE_PARQUET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace eidetic::cli::exchange {

enum class ParquetType { kText, kNumber, kBytes };

struct ParquetColumn {
  std::string name;
  ParquetType type = ParquetType::kText;
};

// Absent, a number, or text or bytes.
using ParquetValue = std::variant<std::monostate, uint64_t, std::string>;

class ParquetWriter {
 public:
  // `scratch`: a folder for what does not fit into memory.
  static absl::StatusOr<std::unique_ptr<ParquetWriter>> Open(std::vector<ParquetColumn> columns,
                                                             const std::string& scratch);
  virtual ~ParquetWriter() = default;
  // One value a column; text must be UTF-8.
  virtual absl::Status AddRow(const std::vector<ParquetValue>& row) = 0;
  // Writes the rows since the last call to a file, which is replaced.
  virtual absl::Status Write(const std::string& path) = 0;
};

// A row of text and bytes; absent values are nullopt.
using ParquetRow = std::vector<std::optional<std::string>>;

class ParquetReader {
 public:
  // Reads the named columns, those that the file lacks as absent; numbers come as
  // text. Errors: kInvalidArgument (not a Parquet file, damaged).
  static absl::StatusOr<std::unique_ptr<ParquetReader>> Open(const std::string& path,
                                                             const std::vector<std::string>& columns,
                                                             const std::string& scratch);
  virtual ~ParquetReader() = default;
  virtual uint64_t row_count() const = 0;
  // False after the last row.
  virtual absl::StatusOr<bool> Next(ParquetRow& row) = 0;
};

}  // namespace eidetic::cli::exchange

#endif  // EIDETIC_EXCHANGE_PARQUET_H_
