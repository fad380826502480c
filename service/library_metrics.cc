#include "service/library_metrics.h"

#include <string>
#include <utility>

namespace eidetic::service {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Page {
 public:
  explicit Page(std::vector<MetricFamily>& families) : families_(families) {}

  // A family with the one metric; With adds others of other labels.
  Page& Gauge(const char* name, const char* help, double value,
              std::vector<ClientMetric::Label> labels = {}) {
    families_.push_back({.name = name, .help = help, .type = MetricType::Gauge, .metric = {}});
    return With(value, std::move(labels));
  }
  Page& Counter(const char* name, const char* help, double value,
                std::vector<ClientMetric::Label> labels = {}) {
    families_.push_back({.name = name, .help = help, .type = MetricType::Counter, .metric = {}});
    return With(value, std::move(labels));
  }
  Page& With(double value, std::vector<ClientMetric::Label> labels) {
    ClientMetric metric;
    metric.label = std::move(labels);
    (families_.back().type == MetricType::Gauge ? metric.gauge.value : metric.counter.value) = value;
    families_.back().metric.push_back(std::move(metric));
    return *this;
  }

 private:
  std::vector<MetricFamily>& families_;
};

}  // namespace

void AppendLibraryMetrics(const LibrarySession& session, std::vector<MetricFamily>& families) {
  Page page(families);
  page.Gauge("eidetic_build_info", "Always 1; the version is a label", 1, {{"version", EIDETIC_VERSION}});
  page.Gauge("eidetic_start_time_seconds", "When the library was opened, Unix time",
             absl::ToDoubleSeconds(session.start_time - absl::UnixEpoch()));
  page.Gauge("eidetic_calls_in_flight", "Calls being worked on", session.admission.in_flight());
  page.Counter("eidetic_calls_rejected_total", "Calls refused since too many were in flight",
               static_cast<double>(session.admission.rejected()));

  if (const auto counts = session.library->Counts(); counts.ok()) {
    page.Gauge("eidetic_library_assets", "Assets in the library", static_cast<double>(counts->assets));
    page.Gauge("eidetic_library_paths", "Paths in the library", static_cast<double>(counts->paths));
    page.Gauge("eidetic_library_captions", "Captions in the library", static_cast<double>(counts->captions));
    page.Gauge("eidetic_library_database_bytes", "Size of the database on disk",
               static_cast<double>(counts->database_bytes));
  }
  page.Gauge("eidetic_library_writable", "1 while writes are taken, 0 while the disk does not take them",
             session.library->write_health().ok ? 1 : 0);
  const uint64_t last_sequence = session.library->last_sequence();
  page.Gauge("eidetic_library_last_sequence", "Number of the library's last change",
             static_cast<double>(last_sequence));

  const std::shared_ptr<GenerationSession> searched = session.searched();
  const searcher::SearchEngineStatus index = searched->engine->status();
  page.Gauge("eidetic_index_vectors", "Vectors in memory that a search may find",
             static_cast<double>(index.vectors), {{"of", "assets"}})
      .With(static_cast<double>(index.caption_vectors), {{"of", "captions"}});
  page.Gauge("eidetic_index_tombstones", "Deleted asset vectors that are still in memory",
             static_cast<double>(index.tombstones));
  page.Gauge(
      "eidetic_index_pending_changes", "Changes of the library that the index has not taken in",
      last_sequence > index.last_sequence ? static_cast<double>(last_sequence - index.last_sequence) : 0);
  page.Gauge("eidetic_index_building", "1 while an index is being built beside the one that serves",
             index.building ? 1 : 0);
  page.Gauge("eidetic_index_snapshot_bytes", "Size of the last snapshot",
             static_cast<double>(index.snapshot_bytes));
  page.Counter("eidetic_index_snapshots_rejected_total",
               "Snapshots found damaged, or of another library, and replaced by a rebuilt index",
               static_cast<double>(index.rejections.count));

  const TextEmbeddingCache::Requests texts = searched->model->text_cache_requests();
  page.Counter("eidetic_text_cache_requests_total", "Texts looked for among the embedded ones, by outcome",
               static_cast<double>(texts.hits), {{"outcome", "hit"}})
      .With(static_cast<double>(texts.misses), {{"outcome", "miss"}});
}

}  // namespace eidetic::service
