#include "service/server_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/status_macros.h"

namespace eidetic::service {
namespace {

constexpr absl::string_view kUnixPrefix = "unix:";

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::Status PrepareSocketFolder(const std::filesystem::path& folder) {
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0) {
    if (errno != ENOENT)
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot look at folder ", folder.string()));
    if (mkdir(folder.c_str(), 0700) != 0) {
      return absl::ErrnoToStatus(errno,
                                 absl::StrCat("cannot make folder ", folder.string(), " for the socket"));
    }
    return absl::OkStatus();
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(folder.string(), " is not a folder"));
  }
  // The socket itself is closed to others; nobody may put another in its place.
  if (info.st_uid != geteuid() || (info.st_mode & 022) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("other users may write to folder ", folder.string(),
                     " and put a socket of theirs in the place of this server's: use a folder of your own "
                     "(chmod 700)"));
  }
  return absl::OkStatus();
}

// Whether a server accepts connections on the socket.
absl::StatusOr<bool> IsListenedOn(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return absl::ErrnoToStatus(errno, "cannot make a socket");
  const auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return true;
  if (errno == ECONNREFUSED) return false;
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot tell whether somebody listens on ", socket_path));
}

}  // namespace

std::string ServerAddress::Target() const {
  if (is_unix()) return absl::StrCat(kUnixPrefix, socket_path);
  const bool is_ipv6 = absl::StrContains(host, ':');
  return absl::StrCat(is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", ":", port);
}

absl::StatusOr<ServerAddress> ParseServerAddress(absl::string_view text) {
  const auto refuse = [text](absl::string_view reason) {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", text, "\" ", reason,
                     ": give host:port, for example 127.0.0.1:50051, or unix:/path/to/socket"));
  };
  ServerAddress address;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, kUnixPrefix)) {
    if (!absl::StartsWith(rest, "/")) return refuse("has no absolute path");
    if (rest.size() >= sizeof(sockaddr_un::sun_path))
      return refuse("has a path longer than a socket may have");
    address.socket_path = std::string(rest);
    return address;
  }
  const size_t colon = rest.rfind(':');
  if (colon == absl::string_view::npos) return refuse("has no port");
  absl::string_view host = rest.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]")) return refuse("has a bracket that is not closed");
  } else if (absl::StrContains(host, ':')) {
    return refuse("has an IPv6 host without brackets");
  }
  if (host.empty()) return refuse("has no host");
  if (!absl::SimpleAtoi(rest.substr(colon + 1), &address.port) || address.port < 0 || address.port > 65'535) {
    return refuse("has no port from 0 to 65535");
  }
  address.host = std::string(host);
  return address;
}

absl::Status CheckReach(const ServerAddress& address, bool allow_insecure) {
  if (address.is_unix() || allow_insecure || IsLoopback(address.host)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "refusing to serve on ", address.Target(),
      ": other machines could reach it, and this version has neither TLS nor tokens. Use a loopback address "
      "(127.0.0.1) behind a proxy or tunnel, or say that you want it so with --insecure"));
}

absl::Status PrepareSocketPath(const std::string& socket_path) {
  EIDETIC_RETURN_IF_ERROR(PrepareSocketFolder(std::filesystem::path(socket_path).parent_path()));
  struct stat info {};
  if (lstat(socket_path.c_str(), &info) != 0) {
    return errno == ENOENT ? absl::OkStatus()
                           : absl::ErrnoToStatus(errno, absl::StrCat("cannot look at ", socket_path));
  }
  if (!S_ISSOCK(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(socket_path, " is in the way and is not a socket"));
  }
  EIDETIC_ASSIGN_OR_RETURN(const bool listened_on, IsListenedOn(socket_path));
  if (listened_on) {
    return absl::UnavailableError(
        absl::StrCat("another server listens on unix:", socket_path, ": stop it or choose another socket"));
  }
  if (unlink(socket_path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot remove the stale socket ", socket_path));
  }
  return absl::OkStatus();
}

}  // namespace eidetic::service
