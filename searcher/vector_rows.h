// The rows of one index: id, int8 codes, scale and float vector by position, in
// chunks that are only appended to. One writer at a time; any number of readers
// beside it, which never wait and need no lock:
//
// * a reader takes size() once and looks at positions below it: those do not
//   change, and a batch of Append is seen as a whole or not at all;
// * a row that was replaced stays live for readers whose size does not reach its
//   successor, so that an id is seen once, old or new, and never lost; a row that
//   was removed is dead for all at once.
//
//   ASSIGN_OR_RETURN(auto rows, VectorRows::Create(256, 0));
//   RETURN_IF_ERROR(rows->Append(ids, vectors));
//   const uint32_t size = rows->size();
//   if (rows->IsLive(3, size)) Use(rows->codes(3));
#ifndef EIDETIC_SEARCHER_VECTOR_ROWS_H_
#define EIDETIC_SEARCHER_VECTOR_ROWS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "searcher/huge_pages.h"
#include "searcher/id_table.h"
#include "searcher/snapshot_part.h"
#include "searcher/vector_codes.h"
#include "storage/file_system.h"

namespace eidetic::searcher {

// What a snapshot holds of the rows (docs/index_snapshot.md), each proved.
struct StoredRows {
  PageBuffer table;                                           // scales, ids, removed
  PageBuffer codes;                                           // count × CodeStride
  PageBuffer vectors;                                         // count × dimension floats, or
  std::shared_ptr<const storage::ReadableFile> vectors_file;  // the same, left on disk
};

class VectorRows {
 public:
  static constexpr uint32_t kChunkBits = 14;
  static constexpr uint32_t kChunkRows = 1U << kChunkBits;
  static constexpr uint32_t kMaxRows = 1U << 30;

  // `expected_rows`: how many will come, where it is known; 0 for a few.
  // kResourceExhausted.
  static absl::StatusOr<std::unique_ptr<VectorRows>> Create(int dimension, size_t expected_rows);
  // kDataLoss: the parts do not fit each other.
  static absl::StatusOr<std::unique_ptr<VectorRows>> Load(int dimension, StoredRows stored);

  // --- The writer ---

  // Ids are distinct and vectors finite; a live row of the same id is replaced.
  // On an error nothing was added.
  absl::Status Append(std::span<const uint64_t> ids, std::span<const float> vectors);
  // Whether there was a live row.
  bool Remove(uint64_t id);

  // --- Readers ---

  int dimension() const { return dimension_; }
  size_t stride() const { return stride_; }
  uint32_t size() const { return size_.load(std::memory_order_acquire); }
  uint32_t live() const { return live_.load(std::memory_order_relaxed); }

  const uint8_t* codes(uint32_t position) const {
    return chunk(position).codes + (position & (kChunkRows - 1)) * stride_;
  }
  float scale(uint32_t position) const { return chunk(position).scales[position & (kChunkRows - 1)]; }
  const float* scale_address(uint32_t position) const {
    return chunk(position).scales + (position & (kChunkRows - 1));
  }
  uint64_t id(uint32_t position) const { return chunk(position).ids[position & (kChunkRows - 1)]; }
  bool IsLive(uint32_t position, uint32_t size) const { return successor(position) >= size; }
  // The newest row of `id`, live or not; kAbsent. It is among the rows of a reader
  // that asks for size() after this.
  uint32_t Find(uint64_t id) const { return positions_.Find(id); }
  // The live row of the id that `position` is or was of; kAbsent: it was removed.
  uint32_t LiveRow(uint32_t position, uint32_t size) const;
  // The float vector; null when it is on disk: then ReadVector.
  const float* vector(uint32_t position) const {
    const float* vectors = chunk(position).vectors;
    return vectors == nullptr ? nullptr : vectors + (position & (kChunkRows - 1)) * dimension_;
  }
  absl::Status ReadVector(uint32_t position, std::span<float> vector) const;
  bool any_on_disk() const { return file_ != nullptr; }

  // Bounds over all rows: of their length, and of what codes leave out of one.
  float largest_norm() const { return largest_norm_.load(std::memory_order_relaxed); }
  float largest_residual() const { return largest_residual_.load(std::memory_order_relaxed); }

  // The first `size` rows as parts of a snapshot: "", "-codes", "-vectors". They
  // borrow from the rows, which must outlive them.
  std::map<std::string, SnapshotPart> Store(uint32_t size) const;

  // Bytes held in memory by the rows that are there.
  size_t memory_bytes() const;

 private:
  // A row's successor: its position when it was replaced, or one of these.
  static constexpr uint32_t kRemoved = 0;
  static constexpr uint32_t kLive = UINT32_MAX;
  static constexpr uint32_t kMaxChunks = kMaxRows / kChunkRows;

  struct Chunk {
    uint8_t* codes;
    float* vectors;
    float* scales;
    uint64_t* ids;
    std::atomic<uint32_t>* successors;
  };

  VectorRows(int dimension, bool huge)
      : dimension_(dimension), stride_(CodeStride(dimension)), first_chunk_pages_(huge) {}
  const Chunk& chunk(uint32_t position) const { return chunks_[position >> kChunkBits]; }
  uint32_t successor(uint32_t position) const {
    return chunk(position).successors[position & (kChunkRows - 1)].load(std::memory_order_relaxed);
  }
  absl::Status AddChunk(bool with_codes, bool with_vectors);
  absl::Status CheckTable(const PageBuffer& table, size_t count) const;
  void Raise(std::atomic<float>& bound, float value);

  const int dimension_;
  const size_t stride_;
  const bool first_chunk_pages_;
  PageBuffer chunk_memory_;
  Chunk* chunks_ = nullptr;
  uint32_t chunk_count_ = 0;
  std::vector<PageBuffer> memory_;
  std::shared_ptr<const storage::ReadableFile> file_;
  std::atomic<uint32_t> size_ = 0;
  std::atomic<uint32_t> live_ = 0;
  std::atomic<float> largest_norm_ = 0;
  std::atomic<float> largest_residual_ = 0;
  IdTable positions_;
};

}  // namespace eidetic::searcher

#endif  // EIDETIC_SEARCHER_VECTOR_ROWS_H_
