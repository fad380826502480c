#include "cli/pull/http_client.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/status_macros.h"

namespace eidetic::cli {
namespace {

constexpr long kConnectSeconds = 20;
constexpr long kMostRedirects = 10;

// Checksums come by the same way as files: without TLS neither says anything.
absl::Status CheckUrl(const std::string& url) {
  if (absl::StartsWith(url, "https://")) return absl::OkStatus();
  for (const char* local : {"http://127.0.0.1", "http://localhost", "http://[::1]"}) {
    if (absl::StartsWith(url, absl::StrCat(local, ":")) || absl::StartsWith(url, absl::StrCat(local, "/"))) {
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(url, ": models are downloaded over https://, or http:// from this machine alone"));
}

bool WriteAll(int file, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = write(file, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    data += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

}  // namespace

// One curl handle; its connections serve the next request too.
class HttpClient::Transfer {
 public:
  // Takes a part of the answer; an error ends the transfer with it.
  using Sink = std::function<absl::Status(const char* data, size_t size)>;

  explicit Transfer(const HttpOptions& options) : handle_(curl_easy_init(), &curl_easy_cleanup) {
    if (handle_ == nullptr) return;
    curl_easy_setopt(handle_.get(), CURLOPT_ERRORBUFFER, error_.data());
    curl_easy_setopt(handle_.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle_.get(), CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(handle_.get(), CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(handle_.get(), CURLOPT_MAXREDIRS, kMostRedirects);
    curl_easy_setopt(handle_.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(handle_.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle_.get(), CURLOPT_LOW_SPEED_TIME,
                     static_cast<long>(absl::ToInt64Seconds(options.stalled_after)));
    curl_easy_setopt(handle_.get(), CURLOPT_USERAGENT, "eidetic/" EIDETIC_VERSION);
    curl_easy_setopt(handle_.get(), CURLOPT_WRITEFUNCTION, &Transfer::OnData);
    curl_easy_setopt(handle_.get(), CURLOPT_WRITEDATA, this);
    curl_easy_setopt(handle_.get(), CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle_.get(), CURLOPT_XFERINFOFUNCTION, &Transfer::OnProgress);
    curl_easy_setopt(handle_.get(), CURLOPT_XFERINFODATA, this);
  }

  // From `offset` on. kOutOfRange when the server cannot begin there; kAborted when
  // another attempt may help.
  absl::Status Run(const std::string& url, uint64_t offset, Sink sink, std::function<bool()> wanted) {
    if (handle_ == nullptr) return absl::InternalError("libcurl cannot start");
    sink_ = std::move(sink);
    wanted_ = std::move(wanted);
    failure_ = absl::OkStatus();
    error_[0] = '\0';
    curl_easy_setopt(handle_.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle_.get(), CURLOPT_REDIR_PROTOCOLS_STR,
                     absl::StartsWith(url, "https:") ? "https" : "http,https");
    curl_easy_setopt(handle_.get(), CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(offset));
    const CURLcode code = curl_easy_perform(handle_.get());
    if (code == CURLE_OK) return absl::OkStatus();
    if (!failure_.ok()) return failure_;
    return ErrorOf(code, url);
  }

 private:
  absl::Status ErrorOf(CURLcode code, const std::string& url) const {
    const std::string message =
        absl::StrCat(url, ": ", error_[0] != '\0' ? error_.data() : curl_easy_strerror(code));
    long response = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &response);
    switch (code) {
      case CURLE_HTTP_RETURNED_ERROR:
        if (response == 404) return absl::NotFoundError(message);
        if (response == 401 || response == 403) {
          return absl::PermissionDeniedError(
              absl::StrCat(message, "; the model asks for an account or does not exist"));
        }
        if (response == 416) return absl::OutOfRangeError(message);
        if (response >= 500 || response == 429 || response == 408) return absl::AbortedError(message);
        return absl::UnavailableError(message);
      case CURLE_RANGE_ERROR:
        return absl::OutOfRangeError(message);
      case CURLE_PARTIAL_FILE:
      case CURLE_RECV_ERROR:
      case CURLE_SEND_ERROR:
      case CURLE_GOT_NOTHING:
      case CURLE_OPERATION_TIMEDOUT:
      case CURLE_HTTP2:
      case CURLE_HTTP2_STREAM:
        return absl::AbortedError(message);
      default:
        return absl::UnavailableError(message);
    }
  }

  static size_t OnData(char* data, size_t, size_t size, void* self) {
    auto* transfer = static_cast<Transfer*>(self);
    transfer->failure_ = transfer->sink_(data, size);
    return transfer->failure_.ok() ? size : CURL_WRITEFUNC_ERROR;
  }

  static int OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto* transfer = static_cast<Transfer*>(self);
    if (transfer->wanted_()) return 0;
    transfer->failure_ = absl::CancelledError("stopped");
    return 1;
  }

  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle_;
  std::array<char, CURL_ERROR_SIZE> error_{};
  Sink sink_;
  std::function<bool()> wanted_;
  absl::Status failure_;
};

HttpClient::HttpClient(const HttpOptions& options)
    : options_(options), transfer_(std::make_unique<Transfer>(options)) {}
HttpClient::~HttpClient() = default;

absl::StatusOr<std::string> HttpClient::Get(const std::string& url, uint64_t max_bytes, Progress progress) {
  EIDETIC_RETURN_IF_ERROR(CheckUrl(url));
  std::string answer;
  const auto sink = [&](const char* data, size_t size) -> absl::Status {
    if (size > max_bytes - answer.size()) {
      return absl::ResourceExhaustedError(
          absl::StrCat(url, ": the answer has more than ", max_bytes, " bytes"));
    }
    answer.append(data, size);
    return absl::OkStatus();
  };
  absl::Duration pause = options_.first_pause;
  for (int attempt = 1;; ++attempt) {
    answer.clear();
    const absl::Status status = transfer_->Run(url, 0, sink, [&] { return progress(answer.size()); });
    if (status.ok()) return answer;
    if (!absl::IsAborted(status)) return status;
    if (attempt >= options_.attempts) return absl::UnavailableError(status.message());
    absl::SleepFor(pause);
    pause *= 2;
  }
}

absl::Status HttpClient::Download(const std::string& url, const std::string& path, uint64_t size,
                                  Progress progress) {
  EIDETIC_RETURN_IF_ERROR(CheckUrl(url));
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const absl::Cleanup closer = [file] { close(file); };
  struct stat facts;
  if (fstat(file, &facts) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot stat ", path));
  auto done = static_cast<uint64_t>(facts.st_size);
  const auto start_over = [&]() -> absl::Status {
    done = 0;
    if (ftruncate(file, 0) == 0) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  };
  if (done > size) EIDETIC_RETURN_IF_ERROR(start_over());
  const auto sink = [&](const char* data, size_t count) -> absl::Status {
    if (count > size - done) {
      return absl::DataLossError(
          absl::StrCat(url, ": the server sends more than the ", size, " bytes it lists"));
    }
    if (!WriteAll(file, data, count)) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
    done += count;
    return absl::OkStatus();
  };

  absl::Duration pause = options_.first_pause;
  absl::Status status;
  for (int attempt = 1; done < size; ++attempt) {
    if (attempt > options_.attempts) {
      return absl::UnavailableError(absl::StrCat(status.message(), "; given up after ", options_.attempts,
                                                 " attempts, run the same command to go on"));
    }
    if (attempt > 1) {
      absl::SleepFor(pause);
      pause *= 2;
    }
    const uint64_t before = done;
    status = transfer_->Run(url, done, sink, [&] { return progress(done); });
    if (status.ok() && done < size) {
      status = absl::AbortedError(absl::StrCat(url, ": ended after ", done, " of ", size, " bytes"));
    }
    if (absl::IsOutOfRange(status)) {
      EIDETIC_RETURN_IF_ERROR(start_over());
    } else if (!status.ok() && !absl::IsAborted(status)) {
      return status;
    } else if (done > before) {
      attempt = 0;
      pause = options_.first_pause;
    }
  }
  if (fsync(file) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  return absl::OkStatus();
}

}  // namespace eidetic::cli
