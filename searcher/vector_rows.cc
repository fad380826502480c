#include "searcher/vector_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"

namespace eidetic::searcher {
namespace {

// In front of the table's columns.
struct Header {
  char magic[8] = {'e', 'i', 'd', 'e', 't', 'i', 'c', 'R'};
  uint32_t version = 1;
  uint32_t dimension = 0;
  uint64_t count = 0;
  float largest_norm = 0;
  float largest_residual = 0;
};

// Bytes of one row in the table: scale, id, removed.
constexpr size_t kTableRow = sizeof(float) + sizeof(uint64_t) + 1;
// Rows whose numbers lie side by side in a chunk.
constexpr size_t kChunkColumns = sizeof(float) + sizeof(uint64_t) + sizeof(uint32_t);

absl::string_view Bytes(const void* data, size_t size) { return {static_cast<const char*>(data), size}; }

}  // namespace

absl::StatusOr<std::unique_ptr<VectorRows>> VectorRows::Create(int dimension, size_t expected_rows) {
  auto rows = std::unique_ptr<VectorRows>(new VectorRows(dimension, expected_rows >= kChunkRows));
  EIDETIC_ASSIGN_OR_RETURN(rows->chunk_memory_,
                           PageBuffer::Allocate(kMaxChunks * sizeof(Chunk), PageBuffer::Pages::kSmall));
  rows->chunks_ = rows->chunk_memory_.as<Chunk>();
  EIDETIC_RETURN_IF_ERROR(rows->positions_.Reserve(expected_rows));
  return rows;
}

absl::Status VectorRows::AddChunk(bool with_codes, bool with_vectors) {
  if (chunk_count_ == kMaxChunks) return absl::ResourceExhaustedError("the index is full");
  // A chunk after the first one will be filled.
  const auto pages =
      chunk_count_ > 0 || first_chunk_pages_ ? PageBuffer::Pages::kHuge : PageBuffer::Pages::kSmall;
  Chunk chunk = {};
  EIDETIC_ASSIGN_OR_RETURN(PageBuffer columns,
                           PageBuffer::Allocate(kChunkRows * kChunkColumns, PageBuffer::Pages::kSmall));
  chunk.ids = columns.as<uint64_t>();
  chunk.scales = reinterpret_cast<float*>(chunk.ids + kChunkRows);
  chunk.successors = reinterpret_cast<std::atomic<uint32_t>*>(chunk.scales + kChunkRows);
  PageBuffer codes;
  PageBuffer vectors;
  if (with_codes) {
    EIDETIC_ASSIGN_OR_RETURN(codes, PageBuffer::Allocate(kChunkRows * stride_, pages));
    chunk.codes = codes.data();
  }
  if (with_vectors) {
    EIDETIC_ASSIGN_OR_RETURN(vectors, PageBuffer::Allocate(kChunkRows * sizeof(float) * dimension_, pages));
    chunk.vectors = vectors.as<float>();
  }
  memory_.push_back(std::move(columns));
  memory_.push_back(std::move(codes));
  memory_.push_back(std::move(vectors));
  chunks_[chunk_count_++] = chunk;
  return absl::OkStatus();
}

void VectorRows::Raise(std::atomic<float>& bound, float value) {
  if (value > bound.load(std::memory_order_relaxed)) bound.store(value, std::memory_order_relaxed);
}

absl::Status VectorRows::Append(std::span<const uint64_t> ids, std::span<const float> vectors) {
  const uint32_t first = size_.load(std::memory_order_relaxed);
  if (ids.size() > kMaxRows - first) return absl::ResourceExhaustedError("the index is full");
  const auto end = static_cast<uint32_t>(first + ids.size());
  EIDETIC_RETURN_IF_ERROR(positions_.Reserve(ids.size()));
  while (static_cast<uint64_t>(chunk_count_) * kChunkRows < end) {
    EIDETIC_RETURN_IF_ERROR(AddChunk(/*with_codes=*/true, /*with_vectors=*/true));
  }
  uint32_t replaced = 0;
  for (uint32_t position = first; position < end; ++position) {
    const uint64_t id = ids[position - first];
    const auto values =
        vectors.subspan(static_cast<size_t>(position - first) * static_cast<size_t>(dimension_),
                        static_cast<size_t>(dimension_));
    Chunk& chunk = chunks_[position >> kChunkBits];
    const size_t row = position & (kChunkRows - 1);
    const CodedRow coded = EncodeRow(values, chunk.codes + row * stride_);
    Raise(largest_norm_, coded.norm);
    Raise(largest_residual_, coded.residual);
    chunk.scales[row] = coded.scale;
    chunk.ids[row] = id;
    chunk.successors[row].store(kLive, std::memory_order_relaxed);
    std::copy(values.begin(), values.end(), chunk.vectors + row * values.size());
    const uint32_t before = positions_.Find(id);
    if (before != IdTable::kAbsent && successor(before) == kLive) {
      chunks_[before >> kChunkBits].successors[before & (kChunkRows - 1)].store(position,
                                                                                std::memory_order_relaxed);
      ++replaced;
    }
  }
  live_.fetch_add(static_cast<uint32_t>(ids.size()) - replaced, std::memory_order_relaxed);
  size_.store(end, std::memory_order_release);
  // After the rows can be seen: a reader follows a stale entry by its successor.
  for (uint32_t position = first; position < end; ++position) positions_.Set(ids[position - first], position);
  return absl::OkStatus();
}

bool VectorRows::Remove(uint64_t id) {
  const uint32_t position = positions_.Find(id);
  if (position == IdTable::kAbsent || successor(position) != kLive) return false;
  chunks_[position >> kChunkBits].successors[position & (kChunkRows - 1)].store(kRemoved,
                                                                                std::memory_order_relaxed);
  live_.fetch_sub(1, std::memory_order_relaxed);
  return true;
}

uint32_t VectorRows::LiveRow(uint32_t position, uint32_t size) const {
  while (true) {
    const uint32_t next = successor(position);
    if (next >= size) return position;
    if (next == kRemoved) return IdTable::kAbsent;
    position = next;
  }
}

absl::Status VectorRows::ReadVector(uint32_t position, std::span<float> vector) const {
  const size_t bytes = vector.size() * sizeof(float);
  if (const float* values = this->vector(position); values != nullptr) {
    std::memcpy(vector.data(), values, bytes);
    return absl::OkStatus();
  }
  return file_->ReadAt(static_cast<uint64_t>(position) * bytes,
                       {reinterpret_cast<uint8_t*>(vector.data()), bytes});
}

std::map<std::string, SnapshotPart> VectorRows::Store(uint32_t size) const {
  Header header;
  header.dimension = static_cast<uint32_t>(dimension_);
  header.count = size;
  header.largest_norm = largest_norm();
  header.largest_residual = largest_residual();
  std::map<std::string, SnapshotPart> parts;
  SnapshotPart& table = parts[""];
  SnapshotPart& codes = parts["-codes"];
  SnapshotPart& vectors = parts["-vectors"];
  const auto for_each_chunk = [&](const auto& store) {
    for (uint32_t first = 0; first < size; first += kChunkRows) {
      store(chunks_[first >> kChunkBits], std::min(kChunkRows, size - first));
    }
  };
  table.Own(std::string(Bytes(&header, sizeof(header))));
  for_each_chunk([&](const Chunk& chunk, size_t count) {
    table.Borrow(Bytes(chunk.ids, count * sizeof(uint64_t)));
    codes.Borrow(Bytes(chunk.codes, count * stride_));
  });
  for_each_chunk(
      [&](const Chunk& chunk, size_t count) { table.Borrow(Bytes(chunk.scales, count * sizeof(float))); });
  std::string removed(size, '\0');
  for (uint32_t position = 0; position < size; ++position) removed[position] = IsLive(position, size) ? 0 : 1;
  table.Own(std::move(removed));
  const size_t vector_bytes = sizeof(float) * static_cast<size_t>(dimension_);
  uint64_t offset = 0;
  for_each_chunk([&](const Chunk& chunk, size_t count) {
    if (chunk.vectors != nullptr) {
      vectors.Borrow(Bytes(chunk.vectors, count * vector_bytes));
    } else {
      vectors.BorrowFromFile(file_, offset, count * vector_bytes);
    }
    offset += count * vector_bytes;
  });
  return parts;
}

absl::StatusOr<std::unique_ptr<VectorRows>> VectorRows::Load(int dimension, StoredRows stored) {
  const Header expected;
  Header header;
  if (stored.table.size() < sizeof(header)) return absl::DataLossError("the table of rows is too short");
  std::memcpy(&header, stored.table.data(), sizeof(header));
  const size_t stride = CodeStride(dimension);
  const size_t vector_bytes = sizeof(float) * static_cast<size_t>(dimension);
  if (std::memcmp(header.magic, expected.magic, sizeof(header.magic)) != 0 ||
      header.version != expected.version || header.dimension != static_cast<uint32_t>(dimension)) {
    return absl::DataLossError("the index has another format or dimension");
  }
  const uint64_t stored_vectors =
      stored.vectors_file != nullptr ? stored.vectors_file->size() : stored.vectors.size();
  if (header.count > kMaxRows || stored.table.size() != sizeof(header) + header.count * kTableRow ||
      stored.codes.size() != header.count * stride || stored_vectors != header.count * vector_bytes) {
    return absl::DataLossError(absl::StrCat("the parts of the index do not hold ", header.count, " rows"));
  }
  const auto count = static_cast<uint32_t>(header.count);
  EIDETIC_ASSIGN_OR_RETURN(std::unique_ptr<VectorRows> rows, Create(dimension, count));
  const auto* ids = reinterpret_cast<const uint64_t*>(stored.table.data() + sizeof(header));
  const auto* scales = reinterpret_cast<const float*>(ids + count);
  const auto* removed = reinterpret_cast<const uint8_t*>(scales + count);
  const uint32_t whole = count / kChunkRows * kChunkRows;
  uint32_t live = 0;
  for (uint32_t first = 0; first < count; first += kChunkRows) {
    // Whole chunks are used where they lie; the last one must be able to grow.
    const bool last = first == whole;
    EIDETIC_RETURN_IF_ERROR(rows->AddChunk(last, last));
    Chunk& chunk = rows->chunks_[first >> kChunkBits];
    const uint32_t here = std::min(kChunkRows, count - first);
    std::memcpy(chunk.ids, ids + first, here * sizeof(uint64_t));
    std::memcpy(chunk.scales, scales + first, here * sizeof(float));
    if (last) {
      std::memcpy(chunk.codes, stored.codes.data() + first * stride, here * stride);
      if (stored.vectors_file == nullptr) {
        std::memcpy(chunk.vectors, stored.vectors.data() + first * vector_bytes, here * vector_bytes);
      } else {
        EIDETIC_RETURN_IF_ERROR(stored.vectors_file->ReadAt(
            first * vector_bytes, {reinterpret_cast<uint8_t*>(chunk.vectors), here * vector_bytes}));
      }
    } else {
      chunk.codes = stored.codes.data() + first * stride;
      if (stored.vectors_file == nullptr) {
        chunk.vectors = reinterpret_cast<float*>(stored.vectors.data() + first * vector_bytes);
      }
    }
    for (uint32_t row = 0; row < here; ++row) {
      const uint32_t position = first + row;
      const bool is_live = removed[position] == 0;
      chunk.successors[row].store(is_live ? kLive : kRemoved, std::memory_order_relaxed);
      if (!is_live) continue;
      if (rows->positions_.Find(ids[position]) != IdTable::kAbsent) {
        return absl::DataLossError(absl::StrCat("id ", ids[position], " is in the index twice"));
      }
      rows->positions_.Set(ids[position], position);
      ++live;
    }
  }
  rows->live_ = live;
  rows->largest_norm_ = header.largest_norm;
  rows->largest_residual_ = header.largest_residual;
  rows->memory_.push_back(std::move(stored.codes));
  rows->memory_.push_back(std::move(stored.vectors));
  rows->file_ = std::move(stored.vectors_file);
  rows->size_.store(count, std::memory_order_release);
  return rows;
}

size_t VectorRows::memory_bytes() const {
  size_t bytes = static_cast<size_t>(size()) * (stride_ + kChunkColumns);
  for (uint32_t first = 0; first < size(); first += kChunkRows) {
    if (vector(first) != nullptr) bytes += kChunkRows * sizeof(float) * static_cast<size_t>(dimension_);
  }
  return bytes;
}

}  // namespace eidetic::searcher
