// DuckDB, which reads and writes Parquet here: its shared library is loaded when
// the first Duckdb is opened, so that nothing else depends on it, and each
// Duckdb is an in-memory database of one thread. Not a public header.
//
//   ASSIGN_OR_RETURN(auto duckdb, Duckdb::Open(folder));
//   RETURN_IF_ERROR(duckdb->Run("CREATE TABLE t (a VARCHAR)"));
#ifndef EIDETIC_EXCHANGE_DUCKDB_H_
#define EIDETIC_EXCHANGE_DUCKDB_H_

#include <duckdb.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::cli::exchange {

// The functions that are used, by their own names.
#define EIDETIC_DUCKDB_FUNCTIONS(X) \
  X(append_blob)                    \
  X(append_null)                    \
  X(append_uint64)                  \
  X(append_varchar_length)          \
  X(appender_create)                \
  X(appender_destroy)               \
  X(appender_end_row)               \
  X(appender_error)                 \
  X(appender_flush)                 \
  X(close)                          \
  X(connect)                        \
  X(create_config)                  \
  X(data_chunk_get_size)            \
  X(data_chunk_get_vector)          \
  X(destroy_config)                 \
  X(destroy_data_chunk)             \
  X(destroy_prepare)                \
  X(destroy_result)                 \
  X(disconnect)                     \
  X(execute_prepared_streaming)     \
  X(fetch_chunk)                    \
  X(free)                           \
  X(open_ext)                       \
  X(prepare)                        \
  X(prepare_error)                  \
  X(query)                          \
  X(result_error)                   \
  X(set_config)                     \
  X(string_t_data)                  \
  X(string_t_length)                \
  X(validity_row_is_valid)          \
  X(vector_get_data)                \
  X(vector_get_validity)

struct DuckdbApi {
#define EIDETIC_DUCKDB_MEMBER(name) decltype(&duckdb_##name) name = nullptr;
  EIDETIC_DUCKDB_FUNCTIONS(EIDETIC_DUCKDB_MEMBER)
#undef EIDETIC_DUCKDB_MEMBER
};

// Another name for a file or folder that SQL can hold, whatever its own is made
// of (bytes that are not UTF-8, wildcards). Good while it lives.
class SqlPath {
 public:
  static absl::StatusOr<SqlPath> Open(const std::string& path);
  SqlPath(SqlPath&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  SqlPath& operator=(SqlPath&&) = delete;
  ~SqlPath();
  std::string name() const;

 private:
  explicit SqlPath(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

class Duckdb {
 public:
  // `scratch` is a folder for what does not fit into memory; made if missing. kNotFound: the
  // library is not there, with what to do.
  static absl::StatusOr<std::unique_ptr<Duckdb>> Open(const std::string& scratch);

  ~Duckdb();
  Duckdb(const Duckdb&) = delete;
  Duckdb& operator=(const Duckdb&) = delete;

  // Runs a statement without a result.
  absl::Status Run(const std::string& sql);
  const DuckdbApi& api() const { return *api_; }
  duckdb_connection connection() const { return connection_; }

 private:
  Duckdb(const DuckdbApi* api, SqlPath scratch) : api_(api), scratch_(std::move(scratch)) {}

  const DuckdbApi* api_;
  const SqlPath scratch_;
  duckdb_database database_ = nullptr;
  duckdb_connection connection_ = nullptr;
};

// In single quotes.
std::string QuoteSql(absl::string_view text);

}  // namespace eidetic::cli::exchange

#endif  // EIDETIC_EXCHANGE_DUCKDB_H_
