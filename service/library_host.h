// Everything that serves one library in one process: the Library (with its
// lock), the model, the search engine, the phrase bank, and the gRPC services
// over them. `eidetic serve` puts it on a network address; every other command
// that finds no holder opens one for itself and talks to it in process, so that
// there is one path of code for both.
//
// Made and destroyed by one thread; in between its services take calls from any.
//
//   ASSIGN_OR_RETURN(auto host, LibraryHost::Open({.library_directory = "photos", ...}));
//   auto search = SearchService::NewStub(host->InProcessChannel());
//   RETURN_IF_ERROR(host->Shutdown(absl::Seconds(10)));
#ifndef EIDETIC_SERVICE_LIBRARY_HOST_H_
#define EIDETIC_SERVICE_LIBRARY_HOST_H_

#include <memory>
#include <string>
#include <vector>

#include <grpcpp/channel.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "encoder/dual_encoder.h"
#include "indexer/indexer.h"
#include "searcher/search_engine.h"
#include "service/service_limits.h"
#include "storage/event_log.h"
#include "storage/library.h"

namespace eidetic::service {

struct LibraryHostOptions {
  std::string library_directory;
  bool create = false;
  // As storage::OpenOptions::allow_read_only.
  bool allow_read_only = false;
  // Model folder; opened when the first call needs it unless `eager`.
  std::string model_folder;
  // Precision among those of `model_folder`; empty: the library's, or else the best
  // that fits the memory.
  std::string model_variant;
  // `model_folder` is only where to look when the library does not remember the
  // folder of its model, or that is gone.
  bool prefer_remembered_model = false;
  bool eager = false;
  // Where to serve: "host:port" (port 0: one that is free) or "unix:/path"; empty:
  // in process only. The bound address is written into the library's LOCK.
  std::string address;
  // Where to serve /metrics and /healthz over HTTP, "host:port"; empty: nowhere,
  // and nothing is measured.
  std::string http_address;
  // Must outlive the host; may be null.
  storage::EventLog* event_log = nullptr;
  // Without `address`: the first of these sockets that can be served on safely; in
  // process only when none can.
  std::vector<std::string> private_sockets;
  // Serve on an address that other machines reach, without TLS and tokens.
  bool allow_insecure = false;
  // Written into LOCK, for the one who comes second.
  std::string command;
  int encoder_threads = 0;
  ServiceLimits limits;
  // The disk under RocksDB, for tests that make it fail; must outlive the host.
  // Null: the real one.
  rocksdb::Env* env = nullptr;
  indexer::IndexerOptions indexer;
  searcher::SearchEngineOptions search_engine;
};

class LibraryHost {
 public:
  // Errors: those of storage::Library::Open and searcher::SearchEngine::Open;
  // kInvalidArgument (address not understood), kFailedPrecondition (address that
  // other machines reach without allow_insecure, socket folder that others may write to),
  // kUnavailable (address in use); the same for http_address.
  static absl::StatusOr<std::unique_ptr<LibraryHost>> Open(const LibraryHostOptions& options);
  // As Shutdown with no grace, when it was not called.
  virtual ~LibraryHost() = default;

  // A channel to the services without a network. Valid until Shutdown.
  virtual std::shared_ptr<grpc::Channel> InProcessChannel() = 0;
  // Bound address, for example "127.0.0.1:50051" when the port asked for was 0;
  // empty when in process only.
  virtual const std::string& address() const = 0;
  // Bound HTTP address; empty without one.
  virtual const std::string& http_address() const = 0;
  // The library is open for reading alone: writes get FAILED_PRECONDITION, and
  // LibraryService's health is NOT_SERVING.
  virtual bool read_only() const = 0;
  // Stops accepting, lets calls in flight end within `grace`, cancels the rest,
  // saves the index snapshot, closes the library. A snapshot that cannot be saved
  // is an event and no error: it is made again. A second call does nothing.
  virtual absl::Status Shutdown(absl::Duration grace) = 0;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_LIBRARY_HOST_H_
