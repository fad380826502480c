#include "service/metrics.h"

#include <prometheus/histogram.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include <google/protobuf/descriptor.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "eidetic/v1/encoder_service.pb.h"
#include "eidetic/v1/library_service.pb.h"
#include "eidetic/v1/search_service.pb.h"
#include "service/library_metrics.h"
#include "service/stderr_event_log.h"

namespace eidetic::service {
namespace {

using prometheus::Counter;
using prometheus::Histogram;

constexpr char kOtherMethods[] = "other";

// Seconds. From a cached answer to a long import.
const Histogram::BucketBoundaries& CallBuckets() {
  static const Histogram::BucketBoundaries& buckets = *new Histogram::BucketBoundaries{
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600};
  return buckets;
}

// Seconds. A synced write is some 0.1 ms on flash, some 10 ms on a turning disk.
const Histogram::BucketBoundaries& CommitBuckets() {
  static const Histogram::BucketBoundaries& buckets = *new Histogram::BucketBoundaries{
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5};
  return buckets;
}

class CallInterceptor final : public grpc::experimental::Interceptor {
 public:
  explicit CallInterceptor(MethodMetrics* method) : method_(method) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::PRE_SEND_STATUS)) {
      method_->Observe(methods->GetSendStatus().error_code(), absl::Now() - start_);
    }
    methods->Proceed();
  }

 private:
  MethodMetrics* const method_;
  const absl::Time start_ = absl::Now();
};

class CallInterceptorFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit CallInterceptorFactory(std::function<MethodMetrics&(absl::string_view)> for_method)
      : for_method_(std::move(for_method)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override {
    return new CallInterceptor(&for_method_(info->method()));
  }

 private:
  const std::function<MethodMetrics&(absl::string_view)> for_method_;
};

}  // namespace

void MethodMetrics::Observe(int code, absl::Duration duration) {
  duration_.Observe(absl::ToDoubleSeconds(duration));
  const size_t slot =
      code >= 0 && code < static_cast<int>(by_code_.size()) ? static_cast<size_t>(code) : by_code_.size() - 1;
  Counter* counter = by_code_[slot].load(std::memory_order_acquire);
  if (counter == nullptr) {
    // Adding the same labels again gives the same counter.
    counter = &calls_.Add(
        {{"method", method_}, {"code", absl::StatusCodeToString(static_cast<absl::StatusCode>(code))}});
    by_code_[slot].store(counter, std::memory_order_release);
  }
  counter->Increment();
}

Metrics::Metrics(storage::EventLog* next)
    : next_(next),
      events_(prometheus::BuildCounter()
                  .Name("eidetic_events_total")
                  .Help("Events of the log, by name, severity and reason")
                  .Register(registry_)) {
  auto& calls = prometheus::BuildCounter()
                    .Name("eidetic_calls_total")
                    .Help("gRPC calls that were answered, by method and code")
                    .Register(registry_);
  auto& durations = prometheus::BuildHistogram()
                        .Name("eidetic_call_duration_seconds")
                        .Help("From a gRPC call's arrival to its status")
                        .Register(registry_);
  const auto add = [&](const std::string& name) {
    auto& method = methods_[name];
    method = std::make_unique<MethodMetrics>(name, calls, durations.Add({{"method", name}}, CallBuckets()));
    return method.get();
  };
  other_methods_ = add(kOtherMethods);
  for (const google::protobuf::FileDescriptor* file :
       {eidetic::v1::SearchRequest::descriptor()->file(), eidetic::v1::GetStatusRequest::descriptor()->file(),
        eidetic::v1::EmbedRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      const google::protobuf::ServiceDescriptor& service = *file->service(i);
      for (int j = 0; j < service.method_count(); ++j) {
        add(absl::StrCat(service.full_name(), "/", service.method(j)->name()));
      }
    }
  }
}

void Metrics::Report(storage::EventSeverity severity, absl::string_view event,
                     std::span<const storage::EventField> fields) {
  prometheus::Labels labels = {{"event", std::string(event)}, {"severity", SeverityName(severity)}};
  for (const storage::EventField& field : fields) {
    const auto* text = std::get_if<std::string>(&field.value());
    if (field.key() == "reason" && text != nullptr) labels["reason"] = *text;
  }
  events_.Add(labels).Increment();
  if (next_ != nullptr) next_->Report(severity, event, fields);
}

std::function<void(absl::Duration, bool)> Metrics::CommitObserver() {
  auto& commits = prometheus::BuildCounter()
                      .Name("eidetic_commits_total")
                      .Help("Group commits, by outcome")
                      .Register(registry_);
  auto& durations = prometheus::BuildHistogram()
                        .Name("eidetic_commit_duration_seconds")
                        .Help("One group commit: applying its mutations, writing and syncing them")
                        .Register(registry_);
  return [&succeeded = commits.Add({{"outcome", "ok"}}), &failed = commits.Add({{"outcome", "failed"}}),
          &duration = durations.Add({}, CommitBuckets())](absl::Duration took, bool ok) {
    (ok ? succeeded : failed).Increment();
    duration.Observe(absl::ToDoubleSeconds(took));
  };
}

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> Metrics::CallObserver() {
  return std::make_unique<CallInterceptorFactory>(
      [this](absl::string_view method) -> MethodMetrics& { return ForMethod(method); });
}

MethodMetrics& Metrics::ForMethod(absl::string_view method) {
  const auto found = methods_.find(absl::StripPrefix(method, "/"));
  return found == methods_.end() ? *other_methods_ : *found->second;
}

void Metrics::Measure(const LibrarySession* session) {
  const absl::MutexLock lock(&session_mutex_);
  session_ = session;
}

std::string Metrics::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_.Collect();
  {
    const absl::MutexLock lock(&session_mutex_);
    if (session_ != nullptr) AppendLibraryMetrics(*session_, families);
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace eidetic::service
