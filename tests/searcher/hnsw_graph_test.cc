#include "searcher/hnsw_graph.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/index_io.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <numeric>
#include <set>

#include "searcher/graph_walk.h"
#include "tests/storage/test_library.h"

namespace eidetic::searcher {
namespace {

constexpr int kDimension = 24;
constexpr uint32_t kCount = 3'000;

class HnswGraphTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (uint32_t i = 0; i < kCount; ++i) {
      const std::vector<float> vector = storage::UnitVector(i, kDimension);
      vectors_.insert(vectors_.end(), vector.begin(), vector.end());
    }
    std::vector<uint64_t> ids(kCount);
    std::iota(ids.begin(), ids.end(), uint64_t{0});
    rows_ = *VectorRows::Create(kDimension, kCount);
    ASSERT_TRUE(rows_->Append(ids, vectors_).ok());
  }

  std::shared_ptr<const HnswGraph> Build(uint32_t size, const HnswGraph* base = nullptr) {
    auto graph = HnswGraph::Build(*rows_, size, base, {.links = 16, .threads = 2});
    EXPECT_TRUE(graph.ok()) << graph.status();
    return *std::move(graph);
  }

  std::set<int64_t> Walked(const HnswGraph& graph, uint32_t query) {
    std::vector<Candidate> found;
    WalkGraph(graph, *rows_, CodedQuery(storage::UnitVector(query, kDimension)),
              {.effort = 100, .rows = kCount, .limit = 10}, found);
    std::set<int64_t> positions;
    for (const Candidate& candidate : found) positions.insert(candidate.position);
    return positions;
  }

  std::vector<float> vectors_;
  std::unique_ptr<VectorRows> rows_;
  storage::TestFolder folder_;
};

TEST_F(HnswGraphTest, EveryNodeIsReachedAndALinkLeadsToANode) {
  const auto graph = Build(kCount);
  std::vector<bool> reached(kCount);
  std::vector<uint32_t> open = {graph->entry()};
  reached[graph->entry()] = true;
  while (!open.empty()) {
    const uint32_t node = open.back();
    open.pop_back();
    for (const int32_t link : graph->links(node)) {
      if (link < 0) break;
      ASSERT_LT(link, static_cast<int32_t>(kCount));
      if (!reached[static_cast<size_t>(link)]) open.push_back(static_cast<uint32_t>(link));
      reached[static_cast<size_t>(link)] = true;
    }
  }
  EXPECT_GE(std::count(reached.begin(), reached.end(), true), kCount - 3);
  EXPECT_EQ(graph->links(0).size(), 32U);
}

TEST_F(HnswGraphTest, ALargerGraphLeavesItsBaseAsItWas) {
  const auto base = Build(1'000);
  const std::vector<int32_t> before(base->links(5).begin(), base->links(5).end());
  const auto larger = Build(kCount, base.get());
  EXPECT_EQ(base->size(), 1'000U);
  EXPECT_EQ(larger->size(), kCount);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), base->links(5).begin()));
  for (uint32_t position = 0; position < kCount; position += 97) {
    EXPECT_EQ(Walked(*larger, position).count(position), 1U) << position;
  }
}

// The graph is FAISS's own: it can be written and read by it, over float vectors.
TEST_F(HnswGraphTest, FaissReadsTheGraphAndFindsTheSame) {
  const auto graph = Build(kCount);
  const std::string path = folder_ / "graph.faiss";
  uint64_t checksum = 0;
  const auto bytes_of = [](const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  {
    faiss::IndexHNSWFlat index(kDimension, 16, faiss::METRIC_INNER_PRODUCT);
    index.storage->add(kCount, vectors_.data());
    index.ntotal = kCount;
    graph->CopyTo(index.hnsw);
    faiss::write_index(&index, path.c_str());
    const std::string bytes = bytes_of(path);
    checksum = XXH3_64bits(bytes.data(), bytes.size());
  }
  const std::string bytes = bytes_of(path);
  ASSERT_EQ(XXH3_64bits(bytes.data(), bytes.size()), checksum) << "only what is verified is read";
  const std::unique_ptr<faiss::Index> read(faiss::read_index(path.c_str()));
  auto* hnsw = dynamic_cast<faiss::IndexHNSWFlat*>(read.get());
  ASSERT_NE(hnsw, nullptr);
  hnsw->hnsw.efSearch = 100;
  size_t same = 0;
  for (uint32_t query = 10'000; query < 10'050; ++query) {
    std::vector<float> scores(10);
    std::vector<faiss::Index::idx_t> positions(10);
    hnsw->search(1, storage::UnitVector(query, kDimension).data(), 10, scores.data(), positions.data());
    const std::set<int64_t> ours = Walked(*graph, query);
    for (const auto position : positions) same += ours.count(position);
  }
  EXPECT_GE(same, 475U) << "but for near ties that codes see otherwise";
}

}  // namespace
}  // namespace eidetic::searcher
