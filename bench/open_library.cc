// How long a new server takes to its first answer on a large library of synthetic
// assets, with a good snapshot of the index and with none, what a client sees
// meanwhile, and how much memory it takes. Makes the library when the folder is
// empty, and uses it again when it is not.
//
//   build/bench/open_library --directory DIR [--assets 1000000] [--runs 3]

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "bench/server_process.h"
#include "eidetic/v1/library_service.grpc.pb.h"
#include "eidetic/v1/search_service.grpc.pb.h"

namespace eidetic::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kBatch = 4'096;

struct Options {
  std::string program = "build/eidetic";
  std::string directory;
  uint64_t assets = 1'000'000;
  int runs = 3;
  bool rebuild = true;
  uint64_t seed = 1;
};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double Mebibytes(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

int Make(const Options& options) {
  const auto library = OpenLibrary(options.program, options.directory);
  const int dimension = static_cast<int>(library->ActiveGeneration()->dimension());
  const auto counts = library->Counts();
  if (!counts.ok() || counts->assets >= options.assets) return dimension;
  RandomVectors vectors(dimension, options.seed);
  const Clock::time_point start = Clock::now();
  for (uint64_t next = 0; next < options.assets;) {
    std::vector<storage::Mutation> batch;
    for (; next < options.assets && batch.size() < kBatch; ++next) {
      storage::PutAsset put;
      put.asset_id = "synthetic-" + std::to_string(next);
      put.embedding = vectors.Next();
      put.record.set_put_by_client(true);
      put.path = storage::PathInput{absl::StrFormat("/photos/%d/IMG_%07d.jpg", next / 1'000, next), {}};
      (*put.record.mutable_attributes())["number"] = std::to_string(next % 1'000);
      batch.emplace_back(std::move(put));
    }
    const auto written = library->Commit(std::move(batch));
    if (!written.ok()) {
      std::fprintf(stderr, "%s\n", written.status().ToString().c_str());
      std::exit(1);
    }
  }
  const double seconds = SecondsSince(start);
  std::printf("made %llu assets of %d values in %.1f s (%.0f assets/s)\n",
              static_cast<unsigned long long>(options.assets), dimension, seconds,
              static_cast<double>(options.assets) / seconds);
  return dimension;
}

// Starts a server and asks until it answers; tells each change of what it says.
void OpenAndAsk(const Options& options, int dimension, const char* what) {
  RandomVectors vectors(dimension, options.seed + 1);
  const Clock::time_point start = Clock::now();
  ServerProcess server(options.program, options.directory);
  const auto channel = server.Connect();
  std::printf("%s: listens after %.2f s\n", what, SecondsSince(start));
  const auto search = v1::SearchService::NewStub(channel);
  const auto library = v1::LibraryService::NewStub(channel);
  std::string said;
  while (true) {
    const std::vector<float> vector = vectors.Next();
    v1::SearchRequest request;
    request.add_terms()->mutable_embedding()->mutable_values()->Assign(vector.begin(), vector.end());
    request.set_explain(true);
    v1::SearchResponse response;
    grpc::ClientContext context;
    const grpc::Status status = search->Search(&context, request, &response);
    const std::string now = status.ok() ? "an answer of " + std::to_string(response.hits_size()) + " hits"
                                        : status.error_message();
    if (now != said) {
      std::printf("%s: after %.2f s a search gets: %s\n", what, SecondsSince(start), now.c_str());
      said = now;
    }
    if (status.ok()) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  v1::GetStatusResponse state;
  std::string kind;
  while (true) {
    grpc::ClientContext context;
    if (!library->GetStatus(&context, {}, &state).ok()) return;
    if (state.index().kind() != kind) {
      kind = state.index().kind();
      std::printf("%s: after %.2f s the index is %s, %llu vectors, %s; %.0f MiB, %.0f MiB at most\n", what,
                  SecondsSince(start), kind.c_str(),
                  static_cast<unsigned long long>(state.index().vector_count()),
                  state.index().state() == v1::IndexStatus::STATE_READY ? "ready" : "being built",
                  Mebibytes(server.resident_bytes()), Mebibytes(server.peak_resident_bytes()));
    }
    if (state.index().state() == v1::IndexStatus::STATE_READY) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  std::printf("%s: ready after %.2f s; %.0f MiB at most\n", what, SecondsSince(start),
              Mebibytes(server.peak_resident_bytes()));
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures how long a server takes to its first answer on a large synthetic library.");
  app.add_option("--eidetic", options.program, "The program to measure")->capture_default_str();
  app.add_option("--directory", options.directory, "Folder of the library; made when it is empty")
      ->required();
  app.add_option("--assets", options.assets, "Assets of the library")->capture_default_str();
  app.add_option("--runs", options.runs, "Openings with a snapshot")->capture_default_str();
  app.add_flag("!--keep-snapshot", options.rebuild, "Do not measure the opening without a snapshot");
  app.add_option("--seed", options.seed, "Seed of the vectors")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const int dimension = Make(options);
  if (options.rebuild) {
    std::error_code error;
    std::filesystem::remove_all(options.directory + "/index", error);
    OpenAndAsk(options, dimension, "no snapshot");
  }
  for (int run = 0; run < options.runs; ++run) OpenAndAsk(options, dimension, "snapshot");
  return 0;
}

}  // namespace
}  // namespace eidetic::bench

int main(int argc, char** argv) { return eidetic::bench::Main(argc, argv); }
