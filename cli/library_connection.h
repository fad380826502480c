// A channel to whoever answers for a library: the process that holds it, or the
// services opened here. Owned by one command, used by its thread; the channel
// may be used by any.
//
//   ASSIGN_OR_RETURN(auto connection, LibraryConnection::Open(options, {.command = "search"}));
//   auto stub = eidetic::v1::SearchService::NewStub(connection->channel());
#ifndef EIDETIC_CLI_LIBRARY_CONNECTION_H_
#define EIDETIC_CLI_LIBRARY_CONNECTION_H_

#include <memory>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/command.h"
#include "service/library_host.h"
#include "storage/event_log.h"
#include "storage/library.h"

namespace eidetic::cli {

struct ConnectionOptions {
  // Name of the command, for those who find the library held.
  std::string command;
  // Make the library when there is none.
  bool create = false;
  // The command changes the library: refused at once when it may not be written.
  bool writes = false;
  // While this process holds the library, let other commands reach it through a
  // socket: eidetic.sock in the library's folder or, where that will not do, one in a
  // folder of this user.
  bool serve_others = false;
  // --model names what the command works with, not what the library is searched
  // with: that is the model the library remembers.
  bool own_model = false;
  // How long to wait for a holder that does not serve.
  absl::Duration patience = absl::Seconds(10);
};

class LibraryConnection {
 public:
  // Errors as LibraryHost::Open; kUnavailable names the holder's pid.
  static absl::StatusOr<std::unique_ptr<LibraryConnection>> Open(const GlobalOptions& global,
                                                                 const ConnectionOptions& options);

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  // Another process answers.
  bool remote() const { return host_ == nullptr; }
  // A call's outcome; when another process answers and refused or went away, the
  // message says which one that is.
  absl::Status ToStatus(const grpc::Status& status) const;
  // Closes the library when this process holds it.
  absl::Status Close();

 private:
  explicit LibraryConnection(const GlobalOptions& global);

  // Warnings only, with --quiet errors only: a command has its own words.
  const std::unique_ptr<storage::EventLog> event_log_;
  std::unique_ptr<service::LibraryHost> host_;
  std::shared_ptr<grpc::Channel> channel_;
  // Of the process that answers, when it is another one.
  storage::LibraryHolder holder_;
};

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_LIBRARY_CONNECTION_H_
