#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/exchange/duckdb.h"
#include "cli/exchange/parquet.h"
#include "proto/status_macros.h"

namespace eidetic::cli::exchange {
namespace {

const char* SqlType(ParquetType type) {
  switch (type) {
    case ParquetType::kText:
      return "VARCHAR";
    case ParquetType::kNumber:
      return "UBIGINT";
    case ParquetType::kBytes:
      return "BLOB";
  }
  return "";
}

class DuckdbParquetWriter final : public ParquetWriter {
 public:
  DuckdbParquetWriter(std::unique_ptr<Duckdb> duckdb, std::vector<ParquetColumn> columns)
      : duckdb_(std::move(duckdb)), columns_(std::move(columns)) {}
  ~DuckdbParquetWriter() override { DropAppender(); }

  absl::Status AddRow(const std::vector<ParquetValue>& row) override {
    if (appender_ == nullptr) EIDETIC_RETURN_IF_ERROR(Begin());
    bool ok = row.size() == columns_.size();
    for (size_t i = 0; i < row.size() && ok; ++i) ok = Append(row[i], columns_[i].type) == DuckDBSuccess;
    ok = ok && duckdb_->api().appender_end_row(appender_) == DuckDBSuccess;
    return ok ? absl::OkStatus() : AppenderError();
  }

  absl::Status Write(const std::string& path) override {
    if (appender_ == nullptr) EIDETIC_RETURN_IF_ERROR(Begin());
    if (duckdb_->api().appender_flush(appender_) != DuckDBSuccess) return AppenderError();
    DropAppender();
    const std::filesystem::path file(path);
    EIDETIC_ASSIGN_OR_RETURN(const SqlPath folder, SqlPath::Open(file.parent_path().string()));
    const std::string target = absl::StrCat(folder.name(), "/", file.filename().string());
    EIDETIC_RETURN_IF_ERROR(AddContext(
        duckdb_->Run(absl::StrCat("COPY rows TO ", QuoteSql(target), " (FORMAT parquet, COMPRESSION zstd)")),
        path));
    return duckdb_->Run("DROP TABLE rows");
  }

 private:
  absl::Status Begin() {
    const std::string columns =
        absl::StrJoin(columns_, ", ", [](std::string* out, const ParquetColumn& column) {
          absl::StrAppend(out, "\"", column.name, "\" ", SqlType(column.type));
        });
    EIDETIC_RETURN_IF_ERROR(duckdb_->Run(absl::StrCat("CREATE TABLE rows (", columns, ")")));
    if (duckdb_->api().appender_create(duckdb_->connection(), nullptr, "rows", &appender_) != DuckDBSuccess) {
      return AppenderError();
    }
    return absl::OkStatus();
  }

  duckdb_state Append(const ParquetValue& value, ParquetType type) {
    const DuckdbApi& api = duckdb_->api();
    if (const auto* number = std::get_if<uint64_t>(&value)) return api.append_uint64(appender_, *number);
    if (const auto* text = std::get_if<std::string>(&value)) {
      if (type == ParquetType::kBytes) return api.append_blob(appender_, text->data(), text->size());
      return api.append_varchar_length(appender_, text->data(), text->size());
    }
    return api.append_null(appender_);
  }

  absl::Status AppenderError() {
    const char* error = appender_ == nullptr ? nullptr : duckdb_->api().appender_error(appender_);
    const absl::Status status =
        absl::InternalError(absl::StrCat("collecting rows: ", error == nullptr ? "DuckDB failed" : error));
    DropAppender();
    return status;
  }

  void DropAppender() {
    if (appender_ != nullptr) duckdb_->api().appender_destroy(&appender_);
    appender_ = nullptr;
  }

  const std::unique_ptr<Duckdb> duckdb_;
  const std::vector<ParquetColumn> columns_;
  duckdb_appender appender_ = nullptr;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ParquetWriter>> ParquetWriter::Open(std::vector<ParquetColumn> columns,
                                                                   const std::string& scratch) {
  EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<Duckdb> duckdb, Duckdb::Open(scratch));
  return std::make_unique<DuckdbParquetWriter>(std::move(duckdb), std::move(columns));
}

}  // namespace eidetic::cli::exchange
