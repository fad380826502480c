#include "service/library_host.h"

#include <sched.h>
#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

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
#include "service/library_service.h"
#include "service/library_session.h"
#include "service/search_service.h"
#include "service/server_address.h"

namespace eidetic::service {
namespace {

// Threads beyond those that work on admitted calls: they refuse the others with
// a reason and answer health and reflection.
constexpr int kSpareThreads = 16;
// A client that pings more often is cut off.
constexpr absl::Duration kShortestPingInterval = absl::Seconds(5);

class LibraryHostImpl final : public LibraryHost {
 public:
  explicit LibraryHostImpl(std::unique_ptr<LibrarySession> session)
      : read_only_(!session->library->CheckWritable().ok()),
        session_(std::move(session)),
        search_service_(session_.get()),
        library_service_(session_.get()),
        encoder_service_(session_.get()) {}

  ~LibraryHostImpl() override {
    const absl::Status closed = Shutdown(absl::ZeroDuration());
    // A snapshot that was not saved is made again at the next start.
    closed.IgnoreError();
  }

  absl::Status Start(const LibraryHostOptions& options);

  std::shared_ptr<grpc::Channel> InProcessChannel() override;
  const std::string& address() const override { return address_; }
  bool read_only() const override { return read_only_; }
  absl::Status Shutdown(absl::Duration grace) override;

 private:
  absl::Status BuildServer(const LibraryHostOptions& options, std::optional<ServerAddress>& address);

  const bool read_only_;
  // Held while shutting down.
  absl::Mutex mutex_;
  // Null after Shutdown.
  std::unique_ptr<LibrarySession> session_ ABSL_GUARDED_BY(mutex_);
  SearchServiceImpl search_service_;
  LibraryServiceImpl library_service_;
  EncoderServiceImpl encoder_service_;
  std::unique_ptr<grpc::Server> server_ ABSL_GUARDED_BY(mutex_);
  std::string address_;
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
    EIDETIC_RETURN_IF_ERROR(session_->model.Encoder().status());
    EIDETIC_RETURN_IF_ERROR(session_->model.Phrases().status());
    session_->filtered_search.attributes().Prepare();
  }
  EIDETIC_RETURN_IF_ERROR(BuildServer(options, address));
  if (address.has_value()) {
    address_ = address->Target();
    EIDETIC_RETURN_IF_ERROR(session_->library->SetHolderAddress(address_));
    session_->SetAddress(address_);
  }
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  for (const char* service : {eidetic::v1::SearchService::service_full_name(),
                              eidetic::v1::EncoderService::service_full_name(), ""}) {
    health->SetServingStatus(service, true);
  }
  // All writes are its. Its reads are answered also when it cannot write.
  health->SetServingStatus(eidetic::v1::LibraryService::service_full_name(), !read_only_);
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
  if (server_ != nullptr) {
    server_->GetHealthCheckService()->Shutdown();
    session_->stopping = true;
    // Who comes now need not try the address. Without this he learns it by trying.
    session_->library->SetHolderAddress("").IgnoreError();
    server_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
    server_->Wait();
    server_ = nullptr;
  }
  const absl::Status saved = session_->engine->SaveSnapshot();
  session_ = nullptr;
  return AddContext(saved, "the library is closed, but its index snapshot was not saved");
}

}  // namespace

absl::StatusOr<std::unique_ptr<LibraryHost>> LibraryHost::Open(const LibraryHostOptions& options) {
  if (!options.address.empty()) {
    EIDETIC_ASSIGN_OR_RETURN(const ServerAddress address, ParseServerAddress(options.address));
    EIDETIC_RETURN_IF_ERROR(CheckReach(address, options.allow_insecure));
  }
  EIDETIC_ASSIGN_OR_RETURN(
      std::unique_ptr<storage::Library> library,
      storage::Library::Open(options.library_directory, {.create = options.create,
                                                         .allow_read_only = options.allow_read_only,
                                                         .holder_command = options.command,
                                                         .holder_address = {}}));
  EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<searcher::SearchEngine> engine,
                           searcher::SearchEngine::Open(library.get(), options.search_engine));
  EIDETIC_ASSIGN_OR_RETURN(std::string page_token_key, NewPageTokenKey());
  auto host = std::make_unique<LibraryHostImpl>(
      std::make_unique<LibrarySession>(std::move(library), std::move(engine),
                                       ModelSessionOptions{.folder = options.model_folder,
                                                           .threads = options.encoder_threads,
                                                           .lazy = !options.eager,
                                                           .limits = options.limits},
                                       options.indexer, std::move(page_token_key)));
  EIDETIC_RETURN_IF_ERROR(host->Start(options));
  return host;
}

}  // namespace eidetic::service
