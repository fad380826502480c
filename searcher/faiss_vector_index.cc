// VectorIndex over FAISS: IndexFlatIP (exact) or IndexHNSWFlat (graph). FAISS
// counts vectors by position; ids, removals and the exact scan are ours.

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <faiss/utils/Heap.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "searcher/inner_product.h"
#include "searcher/vector_index.h"

namespace eidetic::searcher {
namespace {

constexpr int kMaxDimension = 65'536;
// HNSW positions are 32-bit in FAISS.
constexpr size_t kMaxVectors = size_t{1} << 31;

// With a filter: below this many candidates all are compared (under 2 ms for
// 512 dimensions), and how many vectors the estimate looks at.
constexpr double kExactCandidates = 20'000;
constexpr size_t kFilterSample = 1'000;

// In front of FAISS's own bytes.
struct Header {
  char magic[8] = {'e', 'i', 'd', 'e', 't', 'i', 'c', 'V'};
  uint32_t version = 1;
  uint32_t kind = 0;
  uint32_t dimension = 0;
  uint32_t reserved = 0;
  uint64_t positions = 0;
};

class SpanReader : public faiss::IOReader {
 public:
  explicit SpanReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  size_t operator()(void* out, size_t size, size_t items) override {
    if (size == 0) return 0;
    const size_t whole = std::min(items, bytes_.size() / size);
    if (whole > 0) std::memcpy(out, bytes_.data(), whole * size);
    bytes_ = bytes_.subspan(whole * size);
    return whole;
  }

 private:
  std::span<const uint8_t> bytes_;
};

class StringWriter : public faiss::IOWriter {
 public:
  explicit StringWriter(std::string* out) : out_(out) {}

  size_t operator()(const void* data, size_t size, size_t items) override {
    out_->append(static_cast<const char*>(data), size * items);
    return items;
  }

 private:
  std::string* out_;
};

// Distances for a walk over the graph, by our kernels.
class NegatedInnerProduct : public faiss::DistanceComputer {
 public:
  NegatedInnerProduct(const float* vectors, size_t dimension, InnerProductKernel dot)
      : vectors_(vectors), dimension_(dimension), dot_(dot) {}

  void set_query(const float* query) override { query_ = query; }
  float operator()(idx_t position) override { return -dot_(query_, Vector(position), dimension_); }
  float symmetric_dis(idx_t a, idx_t b) override { return -dot_(Vector(a), Vector(b), dimension_); }

 private:
  const float* Vector(idx_t position) const { return vectors_ + static_cast<size_t>(position) * dimension_; }

  const float* vectors_;
  size_t dimension_;
  InnerProductKernel dot_;
  const float* query_ = nullptr;
};

// Order of an answer: best first, equal scores by rising id.
bool Better(const Neighbor& a, const Neighbor& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

class FaissVectorIndex final : public VectorIndex {
 public:
  FaissVectorIndex(IndexKind kind, int dimension, std::unique_ptr<faiss::Index> index)
      : kind_(kind), dimension_(dimension), index_(std::move(index)), dot_(BestInnerProduct()) {}

  // Takes over ids and removals of a parsed index.
  absl::Status Adopt(std::vector<uint64_t> ids, std::vector<uint8_t> removed) {
    ids_ = std::move(ids);
    removed_ = std::move(removed);
    position_of_.reserve(ids_.size());
    for (size_t i = 0; i < ids_.size(); ++i) {
      if (removed_[i] != 0) {
        ++tombstones_;
      } else if (!position_of_.emplace(ids_[i], i).second) {
        return absl::DataLossError(absl::StrCat("id ", ids_[i], " is in the index twice"));
      }
    }
    return absl::OkStatus();
  }

  IndexKind kind() const override { return kind_; }
  int dimension() const override { return dimension_; }
  size_t size() const override { return position_of_.size(); }
  size_t tombstones() const override { return tombstones_; }

  absl::Status Add(std::span<const uint64_t> ids, std::span<const float> vectors) override {
    if (vectors.size() != ids.size() * static_cast<size_t>(dimension_)) {
      return absl::InvalidArgumentError(absl::StrCat(ids.size(), " ids of dimension ", dimension_,
                                                     " do not fit ", vectors.size(), " values"));
    }
    if (!AllFinite(vectors)) return absl::InvalidArgumentError("a vector has a value that is not finite");
    if (absl::flat_hash_set<uint64_t>(ids.begin(), ids.end()).size() != ids.size()) {
      return absl::InvalidArgumentError("an id is given twice");
    }
    if (ids_.size() + ids.size() > kMaxVectors) return absl::ResourceExhaustedError("the index is full");
    try {
      index_->add(static_cast<faiss::Index::idx_t>(ids.size()), vectors.data());
    } catch (const faiss::FaissException& error) {
      return absl::InternalError(absl::StrCat("FAISS could not add vectors: ", error.what()));
    }
    for (const uint64_t id : ids) {
      Bury(id);
      position_of_[id] = ids_.size();
      ids_.push_back(id);
      removed_.push_back(0);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> Remove(std::span<const uint64_t> ids) override {
    size_t removed = 0;
    for (const uint64_t id : ids) removed += Bury(id) ? 1 : 0;
    return removed;
  }

  absl::StatusOr<std::vector<Neighbor>> Search(std::span<const float> query,
                                               const VectorSearchOptions& options) const override {
    if (query.size() != static_cast<size_t>(dimension_)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the query has ", query.size(), " values, the index has dimension ", dimension_));
    }
    if (!AllFinite(query)) return absl::InvalidArgumentError("the query has a value that is not finite");
    const size_t limit = std::min(options.limit, size());
    if (limit == 0) return std::vector<Neighbor>();
    if (kind_ == IndexKind::kExact || options.exact) return SearchExactly(query, limit, options.filter);
    const double share = options.filter ? EstimateShare(options.filter) : 1;
    // Few candidates: comparing all of them is faster than walking past the rest.
    if (options.filter && share * static_cast<double>(size()) < kExactCandidates) {
      return SearchExactly(query, limit, options.filter);
    }
    int ef_search = options.ef_search > 0 ? options.ef_search : DefaultEfSearch(limit);
    ef_search = std::max(static_cast<int>(ef_search / share), static_cast<int>(limit));
    EIDETIC_ASSIGN_OR_RETURN(std::vector<Neighbor> found,
                             SearchGraph(query, limit, ef_search, options.filter));
    // Removed and filtered vectors take places among the candidates.
    if (found.size() < limit) return SearchExactly(query, limit, options.filter);
    return found;
  }

  std::optional<std::vector<float>> Vector(uint64_t id) const override {
    const auto found = position_of_.find(id);
    if (found == position_of_.end()) return std::nullopt;
    const auto dimension = static_cast<size_t>(dimension_);
    const float* vector = Vectors() + found->second * dimension;
    return std::vector<float>(vector, vector + dimension);
  }

  std::vector<uint64_t> Ids() const override {
    std::vector<uint64_t> live;
    live.reserve(size());
    for (const auto& [id, position] : position_of_) live.push_back(id);
    return live;
  }

  absl::StatusOr<std::string> Serialize() const override {
    Header header;
    header.kind = static_cast<uint32_t>(kind_);
    header.dimension = static_cast<uint32_t>(dimension_);
    header.positions = ids_.size();
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
    bytes.reserve(sizeof(header) + ids_.size() * (9 + sizeof(float) * static_cast<size_t>(dimension_)));
    bytes.append(reinterpret_cast<const char*>(ids_.data()), ids_.size() * sizeof(uint64_t));
    bytes.append(reinterpret_cast<const char*>(removed_.data()), removed_.size());
    try {
      StringWriter writer(&bytes);
      faiss::write_index(index_.get(), &writer);
    } catch (const faiss::FaissException& error) {
      return absl::InternalError(absl::StrCat("FAISS could not write the index: ", error.what()));
    }
    return bytes;
  }

 private:
  // Lets the graph walk through removed and filtered vectors without returning them.
  struct Selector : faiss::IDSelector {
    Selector(const FaissVectorIndex& index, const std::function<bool(uint64_t)>& filter)
        : index_(index), filter_(filter) {}
    bool is_member(idx_t position) const override {
      return index_.Matches(static_cast<size_t>(position), filter_);
    }

    const FaissVectorIndex& index_;
    const std::function<bool(uint64_t)>& filter_;
  };

  static bool AllFinite(std::span<const float> values) {
    return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  }

  bool Matches(size_t position, const std::function<bool(uint64_t)>& filter) const {
    return removed_[position] == 0 && (!filter || filter(ids_[position]));
  }

  bool Bury(uint64_t id) {
    const auto found = position_of_.find(id);
    if (found == position_of_.end()) return false;
    removed_[found->second] = 1;
    ++tombstones_;
    position_of_.erase(found);
    return true;
  }

  const float* Vectors() const {
    const faiss::Index* flat = index_.get();
    if (kind_ == IndexKind::kHnsw) flat = static_cast<const faiss::IndexHNSW*>(flat)->storage;
    return static_cast<const faiss::IndexFlat*>(flat)->get_xb();
  }

  std::vector<Neighbor> SearchExactly(std::span<const float> query, size_t limit,
                                      const std::function<bool(uint64_t)>& filter) const {
    const float* vectors = Vectors();
    // A heap with the worst of the best on top.
    std::vector<Neighbor> best;
    best.reserve(limit + 1);
    for (size_t position = 0; position < ids_.size(); ++position) {
      if (!Matches(position, filter)) continue;
      const Neighbor candidate{ids_[position],
                               dot_(query.data(), vectors + position * query.size(), query.size())};
      if (best.size() == limit) {
        if (!Better(candidate, best.front())) continue;
        std::pop_heap(best.begin(), best.end(), Better);
        best.pop_back();
      }
      best.push_back(candidate);
      std::push_heap(best.begin(), best.end(), Better);
    }
    std::sort_heap(best.begin(), best.end(), Better);
    return best;
  }

  // Share of the positions that pass the filter, from an even sample.
  double EstimateShare(const std::function<bool(uint64_t)>& filter) const {
    const size_t step = std::max<size_t>(1, ids_.size() / kFilterSample);
    size_t passed = 0;
    size_t looked_at = 0;
    for (size_t position = 0; position < ids_.size(); position += step, ++looked_at) {
      passed += Matches(position, filter) ? 1 : 0;
    }
    return static_cast<double>(passed) / static_cast<double>(looked_at);
  }

  absl::StatusOr<std::vector<Neighbor>> SearchGraph(std::span<const float> query, size_t limit, int ef_search,
                                                    const std::function<bool(uint64_t)>& filter) const {
    // IndexHNSW::search of FAISS 1.7.3 passes over its parameters, and Debian's
    // build compares with plain loops: the graph is walked with ours.
    const faiss::HNSW& graph = static_cast<const faiss::IndexHNSW&>(*index_).hnsw;
    Selector selector(*this, filter);
    faiss::SearchParametersHNSW parameters;
    parameters.efSearch = ef_search;
    if (tombstones_ > 0 || filter) parameters.sel = &selector;
    const size_t candidates = std::min(static_cast<size_t>(ef_search), ids_.size());
    std::vector<float> distances(candidates);
    std::vector<faiss::Index::idx_t> positions(candidates);
    try {
      NegatedInnerProduct distance(Vectors(), query.size(), dot_);
      distance.set_query(query.data());
      faiss::VisitedTable visited(static_cast<int>(ids_.size()));
      faiss::maxheap_heapify(candidates, distances.data(), positions.data());
      graph.search(distance, static_cast<int>(candidates), positions.data(), distances.data(), visited,
                   &parameters);
    } catch (const faiss::FaissException& error) {
      return absl::InternalError(absl::StrCat("FAISS could not search: ", error.what()));
    }
    std::vector<Neighbor> found;
    for (size_t i = 0; i < candidates; ++i) {
      if (positions[i] < 0) continue;
      const auto position = static_cast<size_t>(positions[i]);
      if (!Matches(position, filter)) continue;
      found.push_back({ids_[position], -distances[i]});
    }
    std::sort(found.begin(), found.end(), Better);
    if (found.size() > limit) found.resize(limit);
    return found;
  }

  IndexKind kind_;
  int dimension_;
  std::unique_ptr<faiss::Index> index_;
  InnerProductKernel dot_;
  // By position.
  std::vector<uint64_t> ids_;
  std::vector<uint8_t> removed_;
  absl::flat_hash_map<uint64_t, size_t> position_of_;  // live ids
  size_t tombstones_ = 0;
};

absl::Status CheckDimension(int dimension) {
  if (dimension < 1 || dimension > kMaxDimension) {
    return absl::InvalidArgumentError(
        absl::StrCat("a dimension of ", dimension, " is not between 1 and ", kMaxDimension));
  }
  return absl::OkStatus();
}

}  // namespace

int DefaultEfSearch(size_t limit) {
  // Texts lie outside the pictures' distribution and need more effort than
  // pictures do: about 256 for recall@10 = .95.
  return std::max(256, static_cast<int>(4 * limit));
}

absl::StatusOr<std::unique_ptr<VectorIndex>> NewVectorIndex(const VectorIndexOptions& options) {
  EIDETIC_RETURN_IF_ERROR(CheckDimension(options.dimension));
  try {
    std::unique_ptr<faiss::Index> index;
    if (options.kind == IndexKind::kHnsw) {
      auto hnsw = std::make_unique<faiss::IndexHNSWFlat>(options.dimension, options.links,
                                                         faiss::METRIC_INNER_PRODUCT);
      hnsw->hnsw.efConstruction = options.ef_construction;
      index = std::move(hnsw);
    } else {
      index = std::make_unique<faiss::IndexFlatIP>(options.dimension);
    }
    return std::make_unique<FaissVectorIndex>(options.kind, options.dimension, std::move(index));
  } catch (const faiss::FaissException& error) {
    return absl::InternalError(absl::StrCat("FAISS could not make an index: ", error.what()));
  }
}

absl::StatusOr<std::unique_ptr<VectorIndex>> ParseVectorIndex(std::span<const uint8_t> verified,
                                                              int dimension) {
  const Header expected;
  Header header;
  if (verified.size() < sizeof(header)) return absl::DataLossError("the index is too short");
  std::memcpy(&header, verified.data(), sizeof(header));
  if (std::memcmp(header.magic, expected.magic, sizeof(header.magic)) != 0 ||
      header.version != expected.version || header.kind > static_cast<uint32_t>(IndexKind::kHnsw) ||
      header.dimension != static_cast<uint32_t>(dimension)) {
    return absl::DataLossError("the index has another format or dimension");
  }
  std::span<const uint8_t> rest = verified.subspan(sizeof(header));
  if (header.positions > kMaxVectors || rest.size() / 9 < header.positions) {
    return absl::DataLossError("the index holds fewer ids than it says");
  }
  std::vector<uint64_t> ids(header.positions);
  std::vector<uint8_t> removed(header.positions);
  std::copy_n(rest.data(), ids.size() * sizeof(uint64_t), reinterpret_cast<uint8_t*>(ids.data()));
  rest = rest.subspan(ids.size() * sizeof(uint64_t));
  std::copy_n(rest.data(), removed.size(), removed.data());
  rest = rest.subspan(removed.size());
  const auto kind = static_cast<IndexKind>(header.kind);
  try {
    SpanReader reader(rest);
    std::unique_ptr<faiss::Index> index(faiss::read_index(&reader));
    const auto* hnsw = dynamic_cast<const faiss::IndexHNSW*>(index.get());
    const faiss::Index* flat = kind == IndexKind::kHnsw && hnsw != nullptr ? hnsw->storage : index.get();
    if ((kind == IndexKind::kHnsw) != (hnsw != nullptr) ||
        dynamic_cast<const faiss::IndexFlat*>(flat) == nullptr || index->d != dimension ||
        index->metric_type != faiss::METRIC_INNER_PRODUCT ||
        static_cast<uint64_t>(index->ntotal) != header.positions || flat->ntotal != index->ntotal) {
      return absl::DataLossError("the index is not what its header says");
    }
    auto parsed = std::make_unique<FaissVectorIndex>(kind, dimension, std::move(index));
    EIDETIC_RETURN_IF_ERROR(parsed->Adopt(std::move(ids), std::move(removed)));
    return parsed;
  } catch (const faiss::FaissException& error) {
    return absl::DataLossError(absl::StrCat("FAISS could not read the index: ", error.what()));
  }
}

}  // namespace eidetic::searcher
