#include "cli/library_connection.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/model_folders.h"
#include "proto/status_macros.h"
#include "service/stderr_event_log.h"
#include "storage/library.h"

namespace eidetic::cli {
namespace {

// A holder that does not accept a connection by then is busy starting, shutting
// down, or hangs.
constexpr auto kConnectTime = std::chrono::seconds(5);
// A server from which nothing comes is asked whether it lives after this time,
// and given up for dead when it does not answer in as much again. One that works
// on a long call answers.
constexpr int kPingMilliseconds = 10'000;

// Where commands reach a library that this process holds: its folder may be one
// in which sockets are not safe, or its path too long for one.
std::vector<std::string> SocketAddresses(const std::string& library) {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  const std::string folder = runtime != nullptr && *runtime != '\0'
                                 ? absl::StrCat(runtime, "/eidetic")
                                 : absl::StrCat("/tmp/eidetic-", geteuid());
  return {absl::StrCat("unix:", library, "/eidetic.sock"),
          absl::StrCat("unix:", folder, "/", getpid(), ".sock")};
}

std::shared_ptr<grpc::Channel> Connect(const storage::LibraryHolder& holder) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kPingMilliseconds);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingMilliseconds);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  auto channel = grpc::CreateCustomChannel(holder.address, grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + kConnectTime)) return nullptr;
  return channel;
}

absl::Status NoAnswer(const std::string& library, const storage::LibraryHolder& holder) {
  return absl::UnavailableError(
      absl::StrCat("the library ", library, " is held by ", storage::DescribeHolder(holder),
                   holder.address.empty() ? ", which does not serve others (it may be starting or ending)"
                                          : ", which does not answer there",
                   "; try again when it has ended, or stop it"));
}

}  // namespace

LibraryConnection::LibraryConnection(const GlobalOptions& global)
    : event_log_(service::NewStderrEventLog(
          {.from = global.quiet ? storage::EventSeverity::kError : storage::EventSeverity::kWarning})) {}

absl::StatusOr<std::unique_ptr<LibraryConnection>> LibraryConnection::Open(const GlobalOptions& global,
                                                                           const ConnectionOptions& options) {
  const absl::Time deadline = absl::Now() + options.patience;
  auto connection = std::unique_ptr<LibraryConnection>(new LibraryConnection(global));
  while (true) {
    EIDETIC_ASSIGN_OR_RETURN(const std::optional<storage::LibraryHolder> holder,
                             storage::Library::ReadHolder(global.library));
    if (holder.has_value() && !holder->address.empty()) {
      if (auto channel = Connect(*holder); channel != nullptr) {
        connection->channel_ = std::move(channel);
        connection->holder_ = *holder;
        return connection;
      }
      if (absl::Now() >= deadline) return NoAnswer(global.library, *holder);
    } else if (!holder.has_value()) {
      EIDETIC_ASSIGN_OR_RETURN(std::string model_folder, FindModelFolder(global.model));
      service::LibraryHostOptions host;
      host.library_directory = global.library;
      host.create = options.create;
      host.allow_read_only = !options.writes;
      host.command = options.command;
      host.model_folder = std::move(model_folder);
      host.model_variant = global.variant;
      host.event_log = connection->event_log_.get();
      host.prefer_remembered_model = global.model.empty() || options.own_model;
      if (options.serve_others) host.private_sockets = SocketAddresses(global.library);
      auto opened = service::LibraryHost::Open(host);
      if (opened.ok()) {
        connection->host_ = *std::move(opened);
        connection->channel_ = connection->host_->InProcessChannel();
        return connection;
      }
      // Somebody may have taken the library in between: look again.
      if (!absl::IsUnavailable(opened.status()) || absl::Now() >= deadline) return opened.status();
    } else if (absl::Now() >= deadline) {
      return NoAnswer(global.library, *holder);
    }
    absl::SleepFor(absl::Milliseconds(50));
  }
}

absl::Status LibraryConnection::ToStatus(const grpc::Status& status) const {
  absl::Status result = FromGrpc(status);
  if (remote() && (absl::IsUnavailable(result) || absl::IsAborted(result))) {
    return {result.code(), absl::StrCat(result.message(), " (asked ", storage::DescribeHolder(holder_), ")")};
  }
  return result;
}

absl::Status LibraryConnection::Close() {
  channel_.reset();
  if (host_ == nullptr) return absl::OkStatus();
  const absl::Status status = host_->Shutdown(absl::Seconds(10));
  host_.reset();
  return status;
}

}  // namespace eidetic::cli
