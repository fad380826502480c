// The metrics of one server in Prometheus' text format (docs/metrics.md): calls
// by method and code, commits and events are counted as they happen, everything
// else is asked of the library when somebody reads them. Owned by LibraryHost,
// outlives what it measures; any thread.
//
//   Metrics metrics(options.event_log);
//   … event_log = &metrics, commit_observer = metrics.CommitObserver(), interceptors = metrics.CallObserver()
//   … metrics.Measure(&session); std::string page = metrics.Text();
#ifndef EIDETIC_SERVICE_METRICS_H_
#define EIDETIC_SERVICE_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/registry.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include <grpcpp/support/server_interceptor.h>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "service/library_session.h"
#include "storage/event_log.h"

namespace eidetic::service {

// One method's calls. Counters are made when a code first comes and found
// without a lock from then on.
class MethodMetrics {
 public:
  MethodMetrics(std::string method, prometheus::Family<prometheus::Counter>& calls,
                prometheus::Histogram& duration)
      : method_(std::move(method)), calls_(calls), duration_(duration) {}

  void Observe(int code, absl::Duration duration);

 private:
  const std::string method_;
  prometheus::Family<prometheus::Counter>& calls_;
  prometheus::Histogram& duration_;
  // By google.rpc.Code; the last is for unknown ones.
  std::array<std::atomic<prometheus::Counter*>, 18> by_code_ = {};
};

class Metrics final : public storage::EventLog {
 public:
  // Events are passed on to `next`, which may be null.
  explicit Metrics(storage::EventLog* next);

  void Report(storage::EventSeverity severity, absl::string_view event,
              std::span<const storage::EventField> fields) override;

  // For storage::OpenOptions.
  std::function<void(absl::Duration, bool ok)> CommitObserver();
  // For grpc::ServerBuilder: sees every call, also those that are refused.
  std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> CallObserver();
  // From now on Text also tells of `session`; null: no more.
  void Measure(const LibrarySession* session);

  std::string Text() const;

 private:
  MethodMetrics& ForMethod(absl::string_view method);

  storage::EventLog* const next_;
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& events_;
  // Never changed after the constructor; "other" are those of gRPC itself.
  absl::flat_hash_map<std::string, std::unique_ptr<MethodMetrics>> methods_;
  MethodMetrics* other_methods_ = nullptr;

  mutable absl::Mutex session_mutex_;
  const LibrarySession* session_ ABSL_GUARDED_BY(session_mutex_) = nullptr;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_METRICS_H_
