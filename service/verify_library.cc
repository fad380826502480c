#include "service/verify_library.h"

#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "proto/status_macros.h"
#include "service/bounded_text.h"

namespace eidetic::service {
namespace {

using eidetic::v1::VerifyLibraryResponse;

constexpr absl::Duration kMessageInterval = absl::Milliseconds(200);
constexpr int kFaultsPerMessage = 256;
constexpr size_t kMaxFaultBytes = 1'024;

// Vectors looked for in the index, and how alike the found one must be: an index
// may hold them rounded.
constexpr size_t kSamples = 200;
constexpr float kSameVector = 0.99F;

class FaultStream {
 public:
  explicit FaultStream(grpc::ServerWriterInterface<VerifyLibraryResponse>* writer) : writer_(writer) {}

  void Progress(uint64_t records_read, uint64_t records_total) {
    next_.set_records_read(records_read);
    next_.set_records_total(records_total);
    if (absl::Now() - last_sent_ >= kMessageInterval) Send();
  }

  void Fault(const storage::Fault& fault) {
    ++fault_count_;
    eidetic::v1::VerifyFault* message = next_.add_faults();
    message->set_place(fault.place);
    message->set_key(BoundedText(fault.key, kMaxFaultBytes));
    message->set_message(BoundedText(fault.message, kMaxFaultBytes));
    if (next_.faults_size() >= kFaultsPerMessage) Send();
  }

  void Summary() {
    eidetic::v1::VerifySummary* summary = next_.mutable_summary();
    summary->set_records_read(next_.records_read());
    summary->set_fault_count(fault_count_);
    summary->set_seconds(absl::ToDoubleSeconds(absl::Now() - start_));
    Send();
  }

  // The client does not take messages any more.
  bool broken() const { return broken_; }

 private:
  void Send() {
    if (!broken_) broken_ = !writer_->Write(next_);
    next_.clear_faults();
    last_sent_ = absl::Now();
  }

  grpc::ServerWriterInterface<VerifyLibraryResponse>* writer_;
  const absl::Time start_ = absl::Now();
  VerifyLibraryResponse next_;
  uint64_t fault_count_ = 0;
  absl::Time last_sent_ = absl::InfinitePast();
  bool broken_ = false;
};

// An even choice of the library's rows (reservoir sampling).
absl::StatusOr<std::vector<storage::Ordinal>> SampleRows(const storage::Generation& generation,
                                                         const Cancellation& cancellation) {
  std::vector<storage::Ordinal> sample;
  std::mt19937_64 random{std::random_device{}()};
  uint64_t seen = 0;
  EIDETIC_RETURN_IF_ERROR(generation.NewView()->ForEachEmbedding(
      [&](storage::Ordinal ordinal, std::span<const float>) -> absl::Status {
        if (sample.size() < kSamples) {
          sample.push_back(ordinal);
        } else if (const uint64_t slot = std::uniform_int_distribution<uint64_t>(0, seen)(random);
                   slot < kSamples) {
          sample[slot] = ordinal;
        }
        return ++seen % 1024 == 0 ? cancellation.Check() : absl::OkStatus();
      }));
  return sample;
}

// Whether the index finds the row by its own stored vector.
absl::StatusOr<bool> IsInIndex(storage::Ordinal ordinal, const storage::Generation& generation,
                               const searcher::SearchEngine& engine) {
  absl::StatusOr<std::vector<float>> vector = generation.GetEmbedding(ordinal);
  // Deleted since: nothing to find.
  if (absl::IsNotFound(vector.status())) return true;
  EIDETIC_RETURN_IF_ERROR(vector.status());
  const searcher::IdList only({ordinal});
  EIDETIC_ASSIGN_OR_RETURN(const searcher::ImageMatches matches,
                           engine.SearchImages({generation.model_fingerprint(), *std::move(vector)},
                                               {.limit = 1, .exact = true, .filter = &only}));
  return !matches.neighbors.empty() && matches.neighbors.front().score >= kSameVector;
}

absl::Status CompareIndex(LibrarySession& session, const Cancellation& cancellation, FaultStream& stream) {
  const std::shared_ptr<GenerationSession> searched = session.searched();
  const auto generation = searched->model->Generation();
  // No model yet: nothing to compare.
  if (absl::IsNotFound(generation.status())) return absl::OkStatus();
  EIDETIC_RETURN_IF_ERROR(generation.status());
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<storage::Ordinal> sample,
                           SampleRows(**generation, cancellation));
  EIDETIC_RETURN_IF_ERROR(searched->engine->CatchUp());
  for (const storage::Ordinal ordinal : sample) {
    EIDETIC_RETURN_IF_ERROR(cancellation.Check());
    EIDETIC_ASSIGN_OR_RETURN(bool found, IsInIndex(ordinal, **generation, *searched->engine));
    if (!found) {
      // Written while it was looked for? Then it is there after catching up.
      EIDETIC_RETURN_IF_ERROR(searched->engine->CatchUp());
      EIDETIC_ASSIGN_OR_RETURN(found, IsInIndex(ordinal, **generation, *searched->engine));
    }
    if (!found) {
      stream.Fault({.place = "snapshot",
                    .key = absl::StrCat(ordinal),
                    .message =
                        "the index does not find this row by its own vector: delete the library's index "
                        "folder while nothing holds it, it is made again"});
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunVerifyLibrary(LibrarySession& session, const Cancellation& cancellation,
                              grpc::ServerWriterInterface<VerifyLibraryResponse>& writer) {
  FaultStream stream(&writer);
  const absl::Status verified =
      session.library->VerifyAll([&stream](const storage::Fault& fault) { stream.Fault(fault); },
                                 [&](uint64_t records_read, uint64_t records_total) {
                                   stream.Progress(records_read, records_total);
                                   return !stream.broken() && !session.stopping && cancellation.Check().ok();
                                 });
  EIDETIC_RETURN_IF_ERROR(cancellation.Check());
  if (session.stopping) return absl::UnavailableError("the server is shutting down");
  EIDETIC_RETURN_IF_ERROR(verified);
  EIDETIC_RETURN_IF_ERROR(CompareIndex(session, cancellation, stream));
  stream.Summary();
  return absl::OkStatus();
}

}  // namespace eidetic::service
