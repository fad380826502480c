// Eidetic's vector index beside FAISS's IndexHNSWFlat: the same vectors, the same
// M, one searching thread, each at the least effort that reaches the recall asked
// for. Searches are interleaved, and the median of the rounds is told. One JSON
// object a line.
//
//   build/bench/vector_search --count 200000 --dimension 512 --recall 0.99
//   build/bench/vector_search --text-like --recall 0.95 --export DIR
//
// --export writes base.npy, queries.npy and truth.npy for other programs, and
// --rounds-on-stdin runs a round for each line read, so that bench/vector_search.py
// can put others' rounds between.

#include <faiss/IndexHNSW.h>
#include <omp.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/synthetic_vectors.h"
#include "nlohmann/json.hpp"
#include "searcher/vector_index.h"

namespace eidetic::bench {
namespace {

using Json = nlohmann::json;
using searcher::VectorIndex;

constexpr size_t kLimit = 10;
constexpr int kLinks = 32;

struct Arguments {
  SyntheticOptions data;
  double recall = 0.99;
  int rounds = 5;
  int threads = 2;
  int ef_construction = 80;
  bool without_faiss = false;
  bool rounds_on_stdin = false;
  std::string export_folder;
};

struct Spent {
  double wall = 0;
  double processor = 0;
};

double Now(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Processor seconds are those of the whole process: on a machine with other work
// to do they say more than the clock on the wall.
Spent Time(const std::function<void()>& work) {
  const double wall = Now(CLOCK_MONOTONIC);
  const double processor = Now(CLOCK_PROCESS_CPUTIME_ID);
  work();
  return {Now(CLOCK_MONOTONIC) - wall, Now(CLOCK_PROCESS_CPUTIME_ID) - processor};
}

void Print(const Json& line) { std::cout << line.dump() << std::endl; }

// One of those compared.
class Contender {
 public:
  virtual ~Contender() = default;
  virtual std::string name() const = 0;
  virtual void Build(std::span<const float> base) = 0;
  virtual double bytes_per_vector() const = 0;
  virtual void Search(std::span<const float> query, int effort, std::vector<uint64_t>& ids) = 0;
};

class Eidetic final : public Contender {
 public:
  explicit Eidetic(const Arguments& arguments)
      : arguments_(arguments), dimension_(static_cast<int>(arguments.data.dimension)) {}

  std::string name() const override { return "eidetic"; }
  void Build(std::span<const float> base) override {
    const size_t count = base.size() / arguments_.data.dimension;
    index_ = searcher::NewVectorIndex({.dimension = dimension_, .expected_vectors = count}).value();
    std::vector<uint64_t> ids(count);
    std::iota(ids.begin(), ids.end(), uint64_t{0});
    Check(index_->Add(ids, base));
    Check(index_->BuildGraph(
        {.links = kLinks, .ef_construction = arguments_.ef_construction, .threads = arguments_.threads}));
  }
  double bytes_per_vector() const override {
    return static_cast<double>(index_->memory_bytes()) / static_cast<double>(index_->size());
  }
  void Search(std::span<const float> query, int effort, std::vector<uint64_t>& ids) override {
    const auto found = index_->Search(query, {.limit = kLimit, .ef_search = effort}).value();
    ids.clear();
    for (const searcher::Neighbor& hit : found) ids.push_back(hit.id);
  }

  // Exact, all queries at once.
  std::vector<std::set<uint64_t>> Truth(std::span<const float> queries) {
    std::vector<std::set<uint64_t>> truth;
    const auto answers = index_->SearchBatch(queries, {.limit = kLimit, .exact = true}).value();
    for (const auto& answer : answers) {
      std::set<uint64_t>& ids = truth.emplace_back();
      for (const searcher::Neighbor& hit : answer) ids.insert(hit.id);
    }
    return truth;
  }
  // Queries a second, by batches of `size`.
  double ExactRate(std::span<const float> queries, size_t size) {
    const size_t row = arguments_.data.dimension;
    const size_t count = std::min<size_t>(queries.size() / row, 64);
    const Spent spent = Time([&] {
      for (size_t q = 0; q < count; q += size) {
        const size_t here = std::min(size, count - q);
        Check(index_->SearchBatch(queries.subspan(q * row, here * row), {.limit = kLimit, .exact = true})
                  .status());
      }
    });
    return static_cast<double>(count) / spent.processor;
  }

 private:
  static void Check(const absl::Status& status) {
    if (!status.ok()) throw std::runtime_error(status.ToString());
  }

  const Arguments& arguments_;
  const int dimension_;
  std::unique_ptr<VectorIndex> index_;
};

class Faiss final : public Contender {
 public:
  explicit Faiss(const Arguments& arguments) : arguments_(arguments) {}

  std::string name() const override { return "faiss_hnsw_flat"; }
  void Build(std::span<const float> base) override {
    index_ = std::make_unique<faiss::IndexHNSWFlat>(static_cast<int>(arguments_.data.dimension), kLinks,
                                                    faiss::METRIC_INNER_PRODUCT);
    index_->hnsw.efConstruction = arguments_.ef_construction;
    omp_set_num_threads(arguments_.threads);
    index_->add(static_cast<int64_t>(base.size() / arguments_.data.dimension), base.data());
    omp_set_num_threads(1);
  }
  double bytes_per_vector() const override {
    const auto count = static_cast<double>(index_->ntotal);
    return static_cast<double>(arguments_.data.dimension * sizeof(float)) +
           static_cast<double>(index_->hnsw.neighbors.size() * sizeof(int32_t)) / count + sizeof(size_t) +
           sizeof(int32_t);
  }
  void Search(std::span<const float> query, int effort, std::vector<uint64_t>& ids) override {
    index_->hnsw.efSearch = effort;
    float scores[kLimit];
    faiss::Index::idx_t positions[kLimit];
    index_->search(1, query.data(), kLimit, scores, positions);
    ids.assign(positions, positions + kLimit);
  }

 private:
  const Arguments& arguments_;
  std::unique_ptr<faiss::IndexHNSWFlat> index_;
};

class Comparison {
 public:
  explicit Comparison(const Arguments& arguments)
      : arguments_(arguments), data_(MakeVectors(arguments.data)), ours_(new Eidetic(arguments)) {
    contenders_.emplace_back(ours_);
    if (!arguments.without_faiss) contenders_.push_back(std::make_unique<Faiss>(arguments));
  }

  void Run() {
    for (const auto& contender : contenders_) {
      const Spent spent = Time([&] { contender->Build(data_.base); });
      Print({{"event", "built"},
             {"contender", contender->name()},
             {"seconds", spent.wall},
             {"processor_seconds", spent.processor},
             {"threads", arguments_.threads},
             {"bytes_per_vector", contender->bytes_per_vector()}});
    }
    truth_ = ours_->Truth(data_.queries);
    for (const size_t size : {1, 16}) {
      Print({{"event", "exact"}, {"batch", size}, {"qps", ours_->ExactRate(data_.queries, size)}});
    }
    if (!arguments_.export_folder.empty()) Export();
    for (const auto& contender : contenders_) efforts_.push_back(LeastEffort(*contender));
    if (arguments_.rounds_on_stdin) {
      Print({{"event", "ready"}});
      for (std::string line; std::getline(std::cin, line);) Round();
    } else {
      for (int round = 0; round < arguments_.rounds; ++round) Round();
    }
    Summarise();
  }

 private:
  size_t query_count() const { return data_.queries.size() / arguments_.data.dimension; }
  std::span<const float> Query(size_t q) const {
    return std::span<const float>(data_.queries)
        .subspan(q * arguments_.data.dimension, arguments_.data.dimension);
  }

  double Recall(Contender& contender, int effort) {
    size_t right = 0;
    std::vector<uint64_t> ids;
    for (size_t q = 0; q < query_count(); ++q) {
      contender.Search(Query(q), effort, ids);
      for (const uint64_t id : ids) right += truth_[q].count(id);
    }
    return static_cast<double>(right) / static_cast<double>(kLimit * query_count());
  }

  // In steps of an eighth.
  int LeastEffort(Contender& contender) {
    for (int effort = 16;; effort += std::max(4, effort / 8)) {
      const double recall = Recall(contender, effort);
      if (recall < arguments_.recall && effort < 4'096) continue;
      Print({{"event", "effort"}, {"contender", contender.name()}, {"ef", effort}, {"recall", recall}});
      return effort;
    }
  }

  void Round() {
    Json line = {{"event", "round"}};
    rates_.resize(contenders_.size());
    for (size_t c = 0; c < contenders_.size(); ++c) {
      std::vector<uint64_t> ids;
      const Spent spent = Time([&] {
        for (size_t q = 0; q < query_count(); ++q) contenders_[c]->Search(Query(q), efforts_[c], ids);
      });
      rates_[c].push_back(static_cast<double>(query_count()) / spent.processor);
      line[contenders_[c]->name()] = rates_[c].back();
    }
    Print(line);
  }

  void Summarise() {
    Json line = {{"event", "median"}, {"recall", arguments_.recall}};
    for (size_t c = 0; c < contenders_.size(); ++c) {
      std::vector<double>& rates = rates_[c];
      if (rates.empty()) return;
      std::sort(rates.begin(), rates.end());
      line[contenders_[c]->name()] = {
          {"qps", rates[rates.size() / 2]}, {"lowest", rates.front()}, {"highest", rates.back()}};
    }
    Print(line);
  }

  void Export() const {
    std::filesystem::create_directories(arguments_.export_folder);
    const auto write = [&](const char* name, const char* type, size_t columns, const void* data,
                           size_t bytes) {
      // NumPy's format 1.0: the header's length makes the data begin at a multiple of 64.
      const size_t rows = bytes / 4 / columns;
      std::string header = absl::StrCat("{'descr': '", type, "', 'fortran_order': False, 'shape': (", rows,
                                        ", ", columns, "), }");
      header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 11, ' ');
      header += '\n';
      std::ofstream file(std::filesystem::path(arguments_.export_folder) / name, std::ios::binary);
      const auto length = static_cast<uint16_t>(header.size());
      file.write("\x93NUMPY\x01\x00", 8);
      file.write(reinterpret_cast<const char*>(&length), 2);
      file << header;
      file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
      if (!file.flush()) throw std::runtime_error(absl::StrCat("could not write ", name));
    };
    const size_t dimension = arguments_.data.dimension;
    write("base.npy", "<f4", dimension, data_.base.data(), data_.base.size() * 4);
    write("queries.npy", "<f4", dimension, data_.queries.data(), data_.queries.size() * 4);
    std::vector<int32_t> truth;
    for (const auto& ids : truth_) truth.insert(truth.end(), ids.begin(), ids.end());
    write("truth.npy", "<i4", kLimit, truth.data(), truth.size() * 4);
  }

  const Arguments& arguments_;
  const SyntheticVectors data_;
  Eidetic* const ours_;
  std::vector<std::unique_ptr<Contender>> contenders_;
  std::vector<std::set<uint64_t>> truth_;
  std::vector<int> efforts_;
  std::vector<std::vector<double>> rates_;
};

int Main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Eidetic's vector index beside FAISS's, on synthetic vectors");
  app.add_option("--count", arguments.data.count, "Vectors")->capture_default_str();
  app.add_option("--dimension", arguments.data.dimension, "Values of a vector")->capture_default_str();
  app.add_option("--queries", arguments.data.queries, "Queries")->capture_default_str();
  app.add_option("--seed", arguments.data.seed, "Of the vectors")->capture_default_str();
  app.add_flag("--text-like", arguments.data.text_like_queries, "Queries from beside the distribution");
  app.add_option("--recall", arguments.recall, "recall@10 to reach")->capture_default_str();
  app.add_option("--rounds", arguments.rounds, "Timed rounds")->capture_default_str();
  app.add_option("--threads", arguments.threads, "For building")->capture_default_str();
  app.add_option("--ef-construction", arguments.ef_construction, "For both")->capture_default_str();
  app.add_flag("--without-faiss", arguments.without_faiss, "Only Eidetic's index");
  app.add_option("--export", arguments.export_folder, "Folder for base.npy, queries.npy, truth.npy");
  app.add_flag("--rounds-on-stdin", arguments.rounds_on_stdin, "A round for each line read");
  CLI11_PARSE(app, argc, argv);
  try {
    Comparison(arguments).Run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vector_search: %s\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace eidetic::bench

int main(int argc, char** argv) { return eidetic::bench::Main(argc, argv); }
