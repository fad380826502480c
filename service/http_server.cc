#include "service/http_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <exception>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace eidetic::service {
namespace {

constexpr size_t kThreads = 4;
constexpr size_t kWaitingConnections = 16;
// Pages take no body.
constexpr size_t kMaxBodyBytes = 4 << 10;
constexpr int kIoSeconds = 5;
// A connection that keeps quiet gives its thread back after this.
constexpr int kKeepAliveSeconds = 2;
constexpr size_t kRequestsPerConnection = 100;

// A bounded queue before a few threads: accepting waits while it is full.
class BoundedTaskQueue final : public httplib::TaskQueue {
 public:
  BoundedTaskQueue() {
    for (size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Work(); });
  }

  void enqueue(std::function<void()> task) override {
    const auto has_room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return tasks_.size() < kWaitingConnections;
    };
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&has_room));
    tasks_.push_back(std::move(task));
  }

  void shutdown() override {
    {
      const absl::MutexLock lock(&mutex_);
      ended_ = true;
    }
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Work() {
    const auto has_task = [this]()
                              ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !tasks_.empty() || ended_; };
    while (true) {
      std::function<void()> task;
      {
        const absl::MutexLock lock(&mutex_);
        mutex_.Await(absl::Condition(&has_task));
        // Connections that were accepted are closed by their tasks.
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  absl::Mutex mutex_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

class HttplibServer final : public HttpServer {
 public:
  ~HttplibServer() override {
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Listen(const ServerAddress& address, std::vector<HttpRoute> routes) {
    if (address.is_unix()) {
      return absl::InvalidArgumentError("HTTP is served on host:port, not on a Unix socket");
    }
    address_ = address;
    server_.new_task_queue = [] { return new BoundedTaskQueue; };
    server_.set_payload_max_length(kMaxBodyBytes);
    server_.set_read_timeout(kIoSeconds);
    server_.set_write_timeout(kIoSeconds);
    server_.set_keep_alive_timeout(kKeepAliveSeconds);
    server_.set_keep_alive_max_count(kRequestsPerConnection);
    // Without SO_REUSEPORT: two servers on one port would share its calls at random.
    server_.set_socket_options([](socket_t socket) {
      const int on = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    });
    server_.set_exception_handler(
        [](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
          response.status = 500;
          response.set_content("internal error\n", "text/plain");
        });
    for (HttpRoute& route : routes) {
      server_.Get(route.path,
                  [page = std::move(route.page)](const httplib::Request&, httplib::Response& response) {
                    HttpPage made = page();
                    response.status = made.code;
                    response.set_content(std::move(made.body), made.content_type.c_str());
                  });
    }
    errno = 0;
    if (address.port == 0) {
      address_.port = server_.bind_to_any_port(address.host);
    } else if (!server_.bind_to_port(address.host, address.port)) {
      address_.port = -1;
    }
    if (address_.port <= 0) {
      return absl::UnavailableError(
          absl::StrCat("cannot listen for HTTP on ", address.Target(),
                       errno != 0 ? absl::StrCat(" (", std::strerror(errno), ")") : "",
                       ": stop the program that does, choose another with --http-address HOST:PORT (port 0: "
                       "any that is free), or do without: --http-address \"\""));
    }
    thread_ = std::thread([this] {
      server_.listen_after_bind();
      ended_ = true;
    });
    // stop() has no effect on a server that does not run yet.
    while (!server_.is_running() && !ended_) std::this_thread::yield();
    return absl::OkStatus();
  }

  const ServerAddress& address() const override { return address_; }

 private:
  ServerAddress address_;
  httplib::Server server_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const ServerAddress& address,
                                                              std::vector<HttpRoute> routes) {
  auto server = std::make_unique<HttplibServer>();
  if (const absl::Status listening = server->Listen(address, std::move(routes)); !listening.ok()) {
    return listening;
  }
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace eidetic::service
