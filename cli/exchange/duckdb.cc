#include "cli/exchange/duckdb.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "proto/status_macros.h"

namespace eidetic::cli::exchange {
namespace {

// A part is at most some 100 MB; what is beyond goes to the scratch folder.
constexpr char kMemoryLimit[] = "512MB";

absl::StatusOr<DuckdbApi> Load() {
  const char* named = std::getenv("EIDETIC_DUCKDB");
  std::string tried;
  void* library = nullptr;
  for (const std::string& path : {std::string(named == nullptr ? "" : named),
                                  std::string(EIDETIC_DUCKDB_LIBRARY), std::string("libduckdb.so")}) {
    if (path.empty()) continue;
    library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
    absl::StrAppend(&tried, tried.empty() ? "" : "; ", dlerror());
  }
  if (library == nullptr) {
    return absl::NotFoundError(absl::StrCat(
        "Parquet needs DuckDB's library, which is not there (", tried,
        "). Get it with third_party/duckdb/fetch, name it in $EIDETIC_DUCKDB, or use --format ndjson"));
  }
  DuckdbApi api;
#define EIDETIC_DUCKDB_LOAD(name)                                                         \
  api.name = reinterpret_cast<decltype(&duckdb_##name)>(dlsym(library, "duckdb_" #name)); \
  if (api.name == nullptr)                                                                \
    return absl::FailedPreconditionError("libduckdb.so lacks duckdb_" #name "; use DuckDB 1.2 or newer");
  EIDETIC_DUCKDB_FUNCTIONS(EIDETIC_DUCKDB_LOAD)
#undef EIDETIC_DUCKDB_LOAD
  return api;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Duckdb>> Duckdb::Open(const std::string& scratch) {
  // Loaded once; stays.
  static const absl::StatusOr<DuckdbApi> api = Load();
  EIDETIC_RETURN_IF_ERROR(api.status());
  if (mkdir(scratch.c_str(), 0700) != 0 && errno != EEXIST) return absl::ErrnoToStatus(errno, scratch);
  EIDETIC_ASSIGN_OR_RETURN(SqlPath scratch_path, SqlPath::Open(scratch));
  const std::string spill = absl::StrCat(scratch_path.name(), "/spill");
  auto duckdb = std::unique_ptr<Duckdb>(new Duckdb(&*api, std::move(scratch_path)));
  duckdb_config config = nullptr;
  const absl::Cleanup destroy = [&] { api->destroy_config(&config); };
  bool configured = api->create_config(&config) == DuckDBSuccess;
  for (const auto& [name, value] : {std::pair<const char*, std::string>{"memory_limit", kMemoryLimit},
                                    {"threads", "2"},
                                    {"temp_directory", spill},
                                    {"autoload_known_extensions", "false"},
                                    {"autoinstall_known_extensions", "false"}}) {
    configured = configured && api->set_config(config, name, value.c_str()) == DuckDBSuccess;
  }
  if (!configured) return absl::InternalError("DuckDB does not take its settings");
  char* message = nullptr;
  if (api->open_ext(nullptr, &duckdb->database_, config, &message) != DuckDBSuccess) {
    const absl::Status status =
        absl::InternalError(absl::StrCat("opening DuckDB: ", message == nullptr ? "" : message));
    api->free(message);
    return status;
  }
  if (api->connect(duckdb->database_, &duckdb->connection_) != DuckDBSuccess) {
    return absl::InternalError("connecting to DuckDB failed");
  }
  return duckdb;
}

Duckdb::~Duckdb() {
  if (connection_ != nullptr) api_->disconnect(&connection_);
  if (database_ != nullptr) api_->close(&database_);
}

absl::Status Duckdb::Run(const std::string& sql) {
  duckdb_result result;
  const bool ok = api_->query(connection_, sql.c_str(), &result) == DuckDBSuccess;
  const char* error = ok ? nullptr : api_->result_error(&result);
  absl::Status status;
  if (!ok) status = absl::UnavailableError(error == nullptr ? "DuckDB failed" : error);
  api_->destroy_result(&result);
  return status;
}

absl::StatusOr<SqlPath> SqlPath::Open(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, path);
  return SqlPath(descriptor);
}

SqlPath::~SqlPath() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::string SqlPath::name() const { return absl::StrCat("/proc/self/fd/", descriptor_); }

std::string QuoteSql(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "''"}}), "'");
}

}  // namespace eidetic::cli::exchange
