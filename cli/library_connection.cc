#include "cli/library_connection.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/model_folders.h"
#include "proto/status_macros.h"
#include "service/stderr_event_log.h"
#include "storage/library.h"

namespace eidetic::cli {
namespace {

// Room for the path of a Unix socket, its final zero included, is 108 bytes.
constexpr size_t kLongestSocketPath = 100;

std::string SocketAddress(const std::string& library) {
  const std::string path = absl::StrCat(library, "/eidetic.sock");
  return path.size() <= kLongestSocketPath ? absl::StrCat("unix:", path) : "";
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const storage::LibraryHolder& holder) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  auto channel = grpc::CreateCustomChannel(holder.address, grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(5))) {
    return absl::UnavailableError(absl::StrCat("the library is held by process ", holder.pid, " (eidetic ",
                                               holder.command, "), which does not answer on ", holder.address,
                                               "; wait for it to end, or stop it"));
  }
  return channel;
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
      auto channel = Connect(*holder);
      if (channel.ok()) {
        connection->channel_ = *std::move(channel);
        return connection;
      }
      if (absl::Now() >= deadline) return channel.status();
    } else if (!holder.has_value()) {
      EIDETIC_ASSIGN_OR_RETURN(std::string model_folder, FindModelFolder(global.model));
      service::LibraryHostOptions host;
      host.library_directory = global.library;
      host.create = options.create;
      host.command = options.command;
      host.model_folder = std::move(model_folder);
      host.event_log = connection->event_log_.get();
      host.prefer_remembered_model = global.model.empty() || options.own_model;
      if (options.serve_others) host.address = SocketAddress(global.library);
      auto opened = service::LibraryHost::Open(host);
      if (opened.ok()) {
        connection->host_ = *std::move(opened);
        connection->channel_ = connection->host_->InProcessChannel();
        return connection;
      }
      // Somebody may have taken the library in between: look again.
      if (!absl::IsUnavailable(opened.status()) || absl::Now() >= deadline) return opened.status();
    } else if (absl::Now() >= deadline) {
      return absl::UnavailableError(absl::StrCat("the library ", global.library, " is held by process ",
                                                 holder->pid, " (eidetic ", holder->command,
                                                 "); try again when it has ended"));
    }
    absl::SleepFor(absl::Milliseconds(50));
  }
}

absl::Status LibraryConnection::Close() {
  channel_.reset();
  if (host_ == nullptr) return absl::OkStatus();
  const absl::Status status = host_->Shutdown(absl::Seconds(10));
  host_.reset();
  return status;
}

}  // namespace eidetic::cli
