#include "service/write_health_relay.h"

#include "eidetic/v1/library_service.grpc.pb.h"

namespace eidetic::service {

std::function<void(const storage::WriteHealth&)> WriteHealthRelay::Observer() {
  return [this](const storage::WriteHealth& health) {
    const absl::MutexLock lock(&mutex_);
    ok_ = health.ok;
    Tell();
  };
}

void WriteHealthRelay::Attach(grpc::HealthCheckServiceInterface* health) {
  const absl::MutexLock lock(&mutex_);
  health_ = health;
  Tell();
}

void WriteHealthRelay::Tell() {
  if (health_ == nullptr) return;
  health_->SetServingStatus(eidetic::v1::LibraryService::service_full_name(), ok_);
}

}  // namespace eidetic::service
