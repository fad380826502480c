// What a library, its index and its caches are like now, as Prometheus metrics
// (docs/metrics.md). Stateless; any thread.
//
//   std::vector<prometheus::MetricFamily> families = registry.Collect();
//   AppendLibraryMetrics(session, families);
#ifndef EIDETIC_SERVICE_LIBRARY_METRICS_H_
#define EIDETIC_SERVICE_LIBRARY_METRICS_H_

#include <prometheus/metric_family.h>

#include <vector>

#include "service/library_session.h"

namespace eidetic::service {

// Takes no lock that a search or a commit would wait for longer than a moment.
void AppendLibraryMetrics(const LibrarySession& session, std::vector<prometheus::MetricFamily>& families);

}  // namespace eidetic::service

#endif  // EIDETIC_SERVICE_LIBRARY_METRICS_H_
