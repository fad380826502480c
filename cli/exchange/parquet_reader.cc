#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/exchange/duckdb.h"
#include "cli/exchange/parquet.h"
#include "proto/status_macros.h"

namespace eidetic::cli::exchange {
namespace {

// A streamed result of columns of text, row by row.
class TextRows {
 public:
  TextRows(Duckdb* duckdb, size_t columns) : duckdb_(duckdb), columns_(columns) {}
  ~TextRows() {
    DropChunk();
    if (has_result_) duckdb_->api().destroy_result(&result_);
    if (prepared_ != nullptr) duckdb_->api().destroy_prepare(&prepared_);
  }
  TextRows(const TextRows&) = delete;
  TextRows& operator=(const TextRows&) = delete;

  absl::Status Begin(const std::string& sql) {
    const DuckdbApi& api = duckdb_->api();
    if (api.prepare(duckdb_->connection(), sql.c_str(), &prepared_) != DuckDBSuccess) {
      return Error(api.prepare_error(prepared_));
    }
    has_result_ = true;
    if (api.execute_prepared_streaming(prepared_, &result_) != DuckDBSuccess)
      return Error(api.result_error(&result_));
    return absl::OkStatus();
  }

  absl::StatusOr<bool> Next(ParquetRow& row) {
    const DuckdbApi& api = duckdb_->api();
    while (chunk_ == nullptr || at_ == size_) {
      DropChunk();
      chunk_ = api.fetch_chunk(result_);
      if (chunk_ == nullptr) {
        const char* error = api.result_error(&result_);
        if (error != nullptr && *error != '\0') return Error(error);
        return false;
      }
      size_ = api.data_chunk_get_size(chunk_);
      at_ = 0;
      if (size_ == 0) {
        DropChunk();
        return false;
      }
    }
    row.resize(columns_);
    for (size_t i = 0; i < columns_; ++i) {
      duckdb_vector vector = api.data_chunk_get_vector(chunk_, i);
      uint64_t* validity = api.vector_get_validity(vector);
      if (validity != nullptr && !api.validity_row_is_valid(validity, at_)) {
        row[i].reset();
        continue;
      }
      auto* text = static_cast<duckdb_string_t*>(api.vector_get_data(vector)) + at_;
      row[i].emplace(api.string_t_data(text), api.string_t_length(*text));
    }
    ++at_;
    return true;
  }

 private:
  static absl::Status Error(const char* message) {
    return absl::InvalidArgumentError(message == nullptr ? "it cannot be read" : message);
  }

  void DropChunk() {
    if (chunk_ != nullptr) duckdb_->api().destroy_data_chunk(&chunk_);
    chunk_ = nullptr;
  }

  Duckdb* const duckdb_;
  const size_t columns_;
  duckdb_prepared_statement prepared_ = nullptr;
  duckdb_result result_ = {};
  bool has_result_ = false;
  duckdb_data_chunk chunk_ = nullptr;
  idx_t size_ = 0;
  idx_t at_ = 0;
};

class DuckdbParquetReader final : public ParquetReader {
 public:
  DuckdbParquetReader(std::unique_ptr<Duckdb> duckdb, std::string path, SqlPath sql_path)
      : path_(std::move(path)), sql_path_(std::move(sql_path)), duckdb_(std::move(duckdb)) {}

  absl::Status Start(const std::vector<std::string>& columns) {
    const std::string file = absl::StrCat("read_parquet(", QuoteSql(sql_path_.name()), ")");
    std::vector<std::pair<std::string, std::string>> present;
    ParquetRow row;
    {
      TextRows described(duckdb_.get(), 2);
      EIDETIC_RETURN_IF_ERROR(described.Begin(
          absl::StrCat("SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ", file, ")")));
      while (true) {
        EIDETIC_ASSIGN_OR_RETURN(const bool more, described.Next(row));
        if (!more) break;
        present.emplace_back(row[0].value_or(""), row[1].value_or(""));
      }
    }
    {
      TextRows counted(duckdb_.get(), 1);
      EIDETIC_RETURN_IF_ERROR(counted.Begin(absl::StrCat("SELECT count(*)::VARCHAR FROM ", file)));
      EIDETIC_ASSIGN_OR_RETURN(const bool more, counted.Next(row));
      if (!more || !absl::SimpleAtoi(row[0].value_or(""), &row_count_)) {
        return absl::InvalidArgumentError("it has no number of rows");
      }
    }
    std::vector<std::string> selected;
    for (const std::string& column : columns) {
      const auto found = std::find_if(present.begin(), present.end(),
                                      [&column](const auto& entry) { return entry.first == column; });
      if (found == present.end()) {
        selected.emplace_back("NULL::VARCHAR");
      } else if (found->second == "BLOB" || found->second == "VARCHAR") {
        selected.push_back(absl::StrCat("\"", column, "\""));
      } else {
        selected.push_back(absl::StrCat("\"", column, "\"::VARCHAR"));
      }
    }
    rows_ = std::make_unique<TextRows>(duckdb_.get(), columns.size());
    return rows_->Begin(absl::StrCat("SELECT ", absl::StrJoin(selected, ", "), " FROM ", file));
  }

  uint64_t row_count() const override { return row_count_; }

  absl::StatusOr<bool> Next(ParquetRow& row) override {
    absl::StatusOr<bool> more = rows_->Next(row);
    if (!more.ok()) return absl::InvalidArgumentError(absl::StrCat(path_, ": ", more.status().message()));
    return more;
  }

 private:
  const std::string path_;
  const SqlPath sql_path_;
  const std::unique_ptr<Duckdb> duckdb_;
  uint64_t row_count_ = 0;
  std::unique_ptr<TextRows> rows_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ParquetReader>> ParquetReader::Open(const std::string& path,
                                                                   const std::vector<std::string>& columns,
                                                                   const std::string& scratch) {
  EIDETIC_ASSIGN_OR_RETURN(SqlPath sql_path, SqlPath::Open(path));
  EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<Duckdb> duckdb, Duckdb::Open(scratch));
  auto reader = std::make_unique<DuckdbParquetReader>(std::move(duckdb), path, std::move(sql_path));
  const absl::Status started = reader->Start(columns);
  if (!started.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is not a Parquet file that can be read: ", started.message()));
  }
  return reader;
}

}  // namespace eidetic::cli::exchange
