// A small HTTP server beside gRPC: pages that monitoring reads. Few threads, small
// requests, short waits; more connections than it takes wait in the kernel. Owned
// by LibraryHost; handlers run in its threads. Start, Stop and the destructor
// belong to one thread.
//
//   EIDETIC_ASSIGN_OR_RETURN(auto server, HttpServer::Start({.host = "127.0.0.1", .port = 0}, {
//       {"/healthz", [] { return HttpPage{.body = "ok\n"}; }}}));
#ifndef EIDETIC_SERVICE_HTTP_SERVER_H_
#define EIDETIC_SERVICE_HTTP_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "service/server_address.h"

namespace eidetic::service {

struct HttpPage {
  int code = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

struct HttpRoute {
  // Absolute path, compared as a whole; answers GET and HEAD.
  std::string path;
  std::function<HttpPage()> page;
};

class HttpServer {
 public:
  // kInvalidArgument (a Unix socket), kUnavailable (the port is in use, or the
  // host is not an address of this machine).
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const ServerAddress& address,
                                                           std::vector<HttpRoute> routes);
  // Waits for requests in flight.
  virtual ~HttpServer() = default;

  // With the port it got.
  virtual const ServerAddress& address() const = 0;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_HTTP_SERVER_H_
