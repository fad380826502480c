#include "service/library_host.h"

#include <sched.h>
#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <grpcpp/create_channel.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"
#include "service/encoder_service.h"
#include "service/generation_runs.h"
#include "service/generation_service.h"
#include "service/http_server.h"
#include "service/library_service.h"
#include "service/library_session.h"
#include "service/metrics.h"
#include "service/search_service.h"
#include "service/server_address.h"
#include "service/write_health_relay.h"

namespace eidetic::service {
namespace {

// Threads beyond those that work on admitted calls: they refuse the others with
// a reason and answer health and reflection.
constexpr int kSpareThreads = 16;
// A client that pings more often is cut off.
constexpr absl::Duration kShortestPingInterval = absl::Seconds(5);

class LibraryHostImpl final : public LibraryHost {
 public:
  // `event_log` and `metrics` may be null.
  LibraryHostImpl(storage::EventLog* event_log, std::unique_ptr<Metrics> metrics,
                  std::unique_ptr<WriteHealthRelay> write_health, std::unique_ptr<LibrarySession> session)
      : metrics_(std::move(metrics)),
        write_health_(std::move(write_health)),
        event_log_(event_log),
        read_only_(!session->library->CheckWritable().ok()),
        session_(std::move(session)),
        search_service_(session_.get()),
        library_service_(session_.get()),
        encoder_service_(session_.get()),
        generation_service_(session_.get()) {}

  ~LibraryHostImpl() override {
    const absl::Status closed = Shutdown(absl::ZeroDuration());
    // A snapshot that was not saved is made again at the next start.
    closed.IgnoreError();
  }

  absl::Status Start(const LibraryHostOptions& options);

  std::shared_ptr<grpc::Channel> InProcessChannel() override;
  const std::string& address() const override { return address_; }
  const std::string& http_address() const override { return http_address_; }
  bool read_only() const override { return read_only_; }
  absl::Status Shutdown(absl::Duration grace) override;

 private:
  absl::Status BuildServer(const LibraryHostOptions& options, std::optional<ServerAddress>& address);

  absl::Status StartHttp(const LibraryHostOptions& options);

  // These outlive the session, which reports to them.
  const std::unique_ptr<Metrics> metrics_;
  const std::unique_ptr<WriteHealthRelay> write_health_;
  storage::EventLog* const event_log_;
  const bool read_only_;
  // Held while shutting down.
  absl::Mutex mutex_;
  // Null after Shutdown.
  std::unique_ptr<LibrarySession> session_ ABSL_GUARDED_BY(mutex_);
  SearchServiceImpl search_service_;
  LibraryServiceImpl library_service_;
  EncoderServiceImpl encoder_service_;
  GenerationServiceImpl generation_service_;
  std::unique_ptr<grpc::Server> server_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> http_server_ ABSL_GUARDED_BY(mutex_);
  std::string address_;
  std::string http_address_;
  grpc::ChannelArguments channel_arguments_;
};

// Where to serve; a socket's place is made ready for it.
absl::StatusOr<std::optional<ServerAddress>> PrepareAddress(const LibraryHostOptions& options) {
  if (!options.address.empty()) {
    EIDETIC_ASSIGN_OR_RETURN(const ServerAddress address, ParseServerAddress(options.address));
    if (address.is_unix()) EIDETIC_RETURN_IF_ERROR(PrepareSocketPath(address.socket_path));
    return address;
  }
  for (const std::string& socket : options.private_sockets) {
    const absl::StatusOr<ServerAddress> address = ParseServerAddress(socket);
    if (address.ok() && PrepareSocketPath(address->socket_path).ok()) return *address;
  }
  return std::nullopt;
}

absl::Status LibraryHostImpl::Start(const LibraryHostOptions& options) {
  absl::MutexLock lock(&mutex_);
  EIDETIC_ASSIGN_OR_RETURN(std::optional<ServerAddress> address, PrepareAddress(options));
  if (options.eager) {
    const std::shared_ptr<GenerationSession> searched = session_->searched();
    EIDETIC_RETURN_IF_ERROR(searched->model->Encoder().status());
    EIDETIC_RETURN_IF_ERROR(searched->model->Phrases().status());
    session_->attributes.Prepare();
    session_->words.Prepare();
  }
  EIDETIC_RETURN_IF_ERROR(BuildServer(options, address));
  if (address.has_value()) {
    address_ = address->Target();
    EIDETIC_RETURN_IF_ERROR(session_->library->SetHolderAddress(address_));
    session_->SetAddress(address_);
  }
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  for (const char* service :
       {eidetic::v1::SearchService::service_full_name(), eidetic::v1::EncoderService::service_full_name(),
        eidetic::v1::GenerationService::service_full_name(), ""}) {
    health->SetServingStatus(service, true);
  }
  if (read_only_) {
    // All writes are its. Its reads are answered also when it cannot write.
    health->SetServingStatus(eidetic::v1::LibraryService::service_full_name(), false);
  } else {
    write_health_->Attach(health);
  }
  if (metrics_ != nullptr) EIDETIC_RETURN_IF_ERROR(StartHttp(options));
  ReportEvent(event_log_, storage::EventSeverity::kInfo, "server_started",
              {{"address", address_}, {"http_address", http_address_}, {"version", EIDETIC_VERSION}});
  return absl::OkStatus();
}

absl::Status LibraryHostImpl::StartHttp(const LibraryHostOptions& options) {
  EIDETIC_ASSIGN_OR_RETURN(const ServerAddress address, ParseServerAddress(options.http_address));
  metrics_->Measure(session_.get());
  std::vector<HttpRoute> routes;
  routes.push_back({"/metrics", [this] {
                      return HttpPage{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                      .body = metrics_->Text()};
                    }});
  routes.push_back(
      {"/healthz", [library = session_->library.get()] {
         const storage::WriteHealth writes = library->write_health();
         return HttpPage{
             .body = writes.ok ? "ok\n" : absl::StrCat("ok, but writes are refused: ", writes.reason, "\n")};
       }});
  EIDETIC_ASSIGN_OR_RETURN(http_server_, HttpServer::Start(address, std::move(routes)));
  http_address_ = http_server_->address().Target();
  return absl::OkStatus();
}

// A Unix socket is its owner's alone from the moment it is there. Only files that
// this thread and those it starts make meanwhile are too: the database's must stay
// readable to whom the user's umask lets read them.
std::unique_ptr<grpc::Server> BuildWithPrivateSocket(grpc::ServerBuilder& builder) {
  std::unique_ptr<grpc::Server> server;
  std::thread([&] {
    // Where this is refused, the umask is the whole process's for that moment.
    static_cast<void>(unshare(CLONE_FS));
    const mode_t previous = umask(077);
    server = builder.BuildAndStart();
    umask(previous);
  }).join();
  return server;
}

// Binds `address`, where there is one, and sets the port it got.
absl::Status LibraryHostImpl::BuildServer(const LibraryHostOptions& options,
                                          std::optional<ServerAddress>& address) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(options.limits.max_message_bytes);
  builder.SetMaxSendMessageSize(options.limits.max_message_bytes);
  // Two servers on one port would share its calls at random.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Clients look whether a server that is silent still lives.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             static_cast<int>(absl::ToInt64Milliseconds(kShortestPingInterval)));
  grpc::ResourceQuota quota("eidetic");
  quota.SetMaxThreads(options.limits.max_concurrent_calls + kSpareThreads);
  builder.SetResourceQuota(quota);
  builder.RegisterService(&search_service_);
  builder.RegisterService(&library_service_);
  builder.RegisterService(&encoder_service_);
  builder.RegisterService(&generation_service_);
  if (metrics_ != nullptr) {
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> observers;
    observers.push_back(metrics_->CallObserver());
    builder.experimental().SetInterceptorCreators(std::move(observers));
  }
  int bound_port = 0;
  if (address.has_value()) {
    builder.AddListeningPort(address->Target(), grpc::InsecureServerCredentials(), &bound_port);
  }
  server_ =
      address.has_value() && address->is_unix() ? BuildWithPrivateSocket(builder) : builder.BuildAndStart();
  if (address.has_value() && (server_ == nullptr || bound_port == 0)) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address->Target(),
                     ": it is in use, or not an address of this machine. Stop the other "
                     "server, or choose another port (0: any that is free)"));
  }
  if (server_ == nullptr) return absl::InternalError("gRPC could not start the in-process server");
  if (address.has_value() && !address->is_unix()) address->port = bound_port;
  // The client's side of the in-process channel takes as large messages.
  channel_arguments_.SetMaxReceiveMessageSize(options.limits.max_message_bytes);
  channel_arguments_.SetMaxSendMessageSize(options.limits.max_message_bytes);
  return absl::OkStatus();
}

std::shared_ptr<grpc::Channel> LibraryHostImpl::InProcessChannel() {
  absl::MutexLock lock(&mutex_);
  // After Shutdown: a channel whose calls fail, not a null one.
  if (server_ == nullptr) return grpc::CreateChannel("unix:/nonexistent", grpc::InsecureChannelCredentials());
  return server_->InProcessChannel(channel_arguments_);
}

absl::Status LibraryHostImpl::Shutdown(absl::Duration grace) {
  absl::MutexLock lock(&mutex_);
  if (session_ == nullptr) return absl::OkStatus();
  ReportEvent(event_log_, storage::EventSeverity::kInfo, "server_stopping", {{"grace_seconds", grace}});
  if (server_ != nullptr) {
    write_health_->Attach(nullptr);
    server_->GetHealthCheckService()->Shutdown();
    session_->stopping = true;
    // Who comes now need not try the address. Without this he learns it by trying.
    session_->library->SetHolderAddress("").IgnoreError();
    server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
    server_->Wait();
    server_ = nullptr;
  }
  http_server_ = nullptr;
  if (metrics_ != nullptr) metrics_->Measure(nullptr);
  // The engine has told the event log when this fails.
  session_->searched()->engine->SaveSnapshot().IgnoreError();
  session_ = nullptr;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<searcher::SearchEngine>> OpenEngine(
    storage::Library* library, std::shared_ptr<const storage::Generation> generation,
    searcher::SearchEngineOptions options) {
  options.generation = std::move(generation);
  return searcher::SearchEngine::Open(library, options);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LibraryHost>> LibraryHost::Open(const LibraryHostOptions& options) {
  if (!options.address.empty()) {
    EIDETIC_ASSIGN_OR_RETURN(const ServerAddress address, ParseServerAddress(options.address));
    EIDETIC_RETURN_IF_ERROR(CheckReach(address, options.allow_insecure));
  }
  std::unique_ptr<Metrics> metrics;
  if (!options.http_address.empty()) {
    EIDETIC_ASSIGN_OR_RETURN(const ServerAddress address, ParseServerAddress(options.http_address));
    EIDETIC_RETURN_IF_ERROR(CheckReach(address, options.allow_insecure));
    metrics = std::make_unique<Metrics>(options.event_log);
  }
  storage::EventLog* const event_log = metrics != nullptr ? metrics.get() : options.event_log;
  storage::OpenOptions library_options;
  library_options.create = options.create;
  library_options.allow_read_only = options.allow_read_only;
  library_options.holder_command = options.command;
  library_options.env = options.env;
  library_options.event_log = event_log;
  auto write_health = std::make_unique<WriteHealthRelay>();
  library_options.write_health_observer = write_health->Observer();
  if (metrics != nullptr) library_options.commit_observer = metrics->CommitObserver();
  EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<storage::Library> library,
                           storage::Library::Open(options.library_directory, library_options));
  if (library->CheckWritable().ok()) {
    EIDETIC_RETURN_IF_ERROR(DropExpiredGenerations(*library, kRetiredGenerationGrace));
  }
  absl::StatusOr<std::shared_ptr<const storage::Generation>> generation = library->OpenGeneration(0);
  // A library without a model gets its first generation later.
  if (absl::IsNotFound(generation.status())) generation = nullptr;
  EIDETIC_RETURN_IF_ERROR(generation.status());
  searcher::SearchEngineOptions engine_options = options.search_engine;
  engine_options.event_log = event_log;
  EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<searcher::SearchEngine> engine,
                           OpenEngine(library.get(), *generation, engine_options));
  EIDETIC_ASSIGN_OR_RETURN(std::string page_token_key, NewPageTokenKey());
  auto host = std::make_unique<LibraryHostImpl>(
      event_log, std::move(metrics), std::move(write_health),
      std::make_unique<LibrarySession>(
          std::move(library), std::move(engine), *std::move(generation),
          ModelSessionOptions{.folder = options.model_folder,
                              .prefer_remembered_folder = options.prefer_remembered_model,
                              .variant = options.model_variant,
                              .threads = options.encoder_threads,
                              .lazy = !options.eager,
                              .limits = options.limits},
          engine_options, options.indexer, std::move(page_token_key), event_log));
  EIDETIC_RETURN_IF_ERROR(host->Start(options));
  return host;
}

}  // namespace eidetic::service
