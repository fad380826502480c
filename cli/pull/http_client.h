// Downloads over HTTP(S) by libcurl: proxies as the environment names them
// (https_proxy, no_proxy), redirects, broken connections taken up where they
// broke. Owned by its user; one thread at a time.
//
//   HttpClient client({});
//   EIDETIC_ASSIGN_OR_RETURN(std::string listing, client.Get("https://…/tree/main", 1 << 20));
//   EIDETIC_RETURN_IF_ERROR(client.Download("https://…/model.onnx", "model.onnx", 1234, progress));
#ifndef EIDETIC_CLI_PULL_HTTP_CLIENT_H_
#define EIDETIC_CLI_PULL_HTTP_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace eidetic::cli {

struct HttpOptions {
  // Of one file, those that got further not counted.
  int attempts = 5;
  // Before the second; twice as long before each next one.
  absl::Duration first_pause = absl::Seconds(1);
  // A connection that brings nothing for so long is broken.
  absl::Duration stalled_after = absl::Seconds(30);
};

class HttpClient {
 public:
  // False: stop; the call then gives kCancelled.
  using Progress = absl::FunctionRef<bool(uint64_t bytes_done)>;

  explicit HttpClient(const HttpOptions& options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Errors of both: kNotFound (404), kPermissionDenied (401, 403), kUnavailable (no
  // connection, or given up), kInvalidArgument (not https, nor http to this machine).
  // kResourceExhausted when the answer is longer than `max_bytes`.
  absl::StatusOr<std::string> Get(const std::string& url, uint64_t max_bytes, Progress progress);

  // Into the file at `path`, of `size` bytes at the end; what it has already is
  // kept and the rest asked for. kDataLoss when the server has more than that.
  // What came stays in the file after any error.
  absl::Status Download(const std::string& url, const std::string& path, uint64_t size, Progress progress);

 private:
  class Transfer;

  const HttpOptions options_;
  std::unique_ptr<Transfer> transfer_;
};

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_PULL_HTTP_CLIENT_H_
