// Carries the library's write health to gRPC's health service: while writes are
// refused eidetic.v1.LibraryService is NOT_SERVING; the other services and the
// server as a whole stay SERVING. The library is there before the server is, so
// it tells this object, which outlives both. Any thread.
//
//   WriteHealthRelay relay;
//   library_options.write_health_observer = relay.Observer();
//   relay.Attach(server->GetHealthCheckService());   // … and Attach(nullptr) before the server goes
#ifndef EIDETIC_SERVICE_WRITE_HEALTH_RELAY_H_
#define EIDETIC_SERVICE_WRITE_HEALTH_RELAY_H_

#include <functional>

#include <grpcpp/health_check_service_interface.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "storage/library.h"

namespace eidetic::service {

class WriteHealthRelay {
 public:
  // Borrows this object.
  std::function<void(const storage::WriteHealth&)> Observer();
  // From now on, beginning with the present state; null: no more.
  void Attach(grpc::HealthCheckServiceInterface* health);

 private:
  void Tell() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  bool ok_ ABSL_GUARDED_BY(mutex_) = true;
  grpc::HealthCheckServiceInterface* health_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_WRITE_HEALTH_RELAY_H_
