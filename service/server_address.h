// Addresses a library can be served on: "host:port" and "unix:/path". A value
// type; the functions touch the file system only where they say so.
//
//   EIDETIC_ASSIGN_OR_RETURN(ServerAddress address, ParseServerAddress("127.0.0.1:0"));
//   EIDETIC_RETURN_IF_ERROR(CheckReach(address, /*allow_insecure=*/false));
#ifndef EIDETIC_SERVICE_SERVER_ADDRESS_H_
#define EIDETIC_SERVICE_SERVER_ADDRESS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace eidetic::service {

struct ServerAddress {
  // Without brackets; empty for a Unix socket.
  std::string host;
  int port = 0;
  // Absolute; empty for host and port.
  std::string socket_path;

  bool is_unix() const { return !socket_path.empty(); }
  // As gRPC takes it, an IPv6 host in brackets.
  std::string Target() const;
};

// kInvalidArgument when `text` is neither form.
absl::StatusOr<ServerAddress> ParseServerAddress(absl::string_view text);

// kFailedPrecondition when other machines could reach `address`, unless
// `allow_insecure`: calls are neither encrypted nor authenticated.
absl::Status CheckReach(const ServerAddress& address, bool allow_insecure);

// Makes the socket's folder (0700) when it is missing and removes a socket that
// nobody listens on. Call it holding the library's lock. Errors:
// kFailedPrecondition (other users may write to the folder, or something that is
// no socket is in the way), kUnavailable (somebody listens).
absl::Status PrepareSocketPath(const std::string& socket_path);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_SERVER_ADDRESS_H_
