// Acknowledged writes a second through gRPC, each synced to disk: ready-made
// vectors through ImportAssets (one stream, group commit), then through PutAsset
// one at a time and from several clients at once. Client and server share the
// machine. Prints the server's memory too, which must not grow with the import.
//
//   build/bench/import_assets [--assets 100000] [--directory DIR]

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "bench/server_process.h"
#include "eidetic/v1/library_service.grpc.pb.h"

namespace eidetic::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string program = "build/eidetic";
  std::string directory;
  uint64_t assets = 100'000;
  uint64_t puts = 2'000;
  size_t clients = 16;
  uint64_t seed = 1;
};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double Mebibytes(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

void Fill(const std::string& id, const std::vector<float>& vector, v1::AssetInput& asset) {
  asset.set_asset_id(id);
  asset.mutable_embedding()->mutable_values()->Assign(vector.begin(), vector.end());
}

bool Import(const Options& options, int dimension, ServerProcess& server, v1::LibraryService::Stub& library) {
  RandomVectors vectors(dimension, options.seed);
  grpc::ClientContext context;
  v1::ImportAssetsResponse response;
  v1::ImportAssetsRequest request;
  const uint64_t before = server.resident_bytes();
  const Clock::time_point start = Clock::now();
  const auto stream = library.ImportAssets(&context, &response);
  for (uint64_t i = 0; i < options.assets; ++i) {
    Fill("import-" + std::to_string(i), vectors.Next(), *request.mutable_asset());
    // Batches small messages into fewer system calls.
    if (!stream->Write(request, grpc::WriteOptions().set_buffer_hint())) break;
    if ((i + 1) % (options.assets / 4) == 0) {
      std::printf("  %llu sent after %.1f s, server has %.0f MiB\n", static_cast<unsigned long long>(i + 1),
                  SecondsSince(start), Mebibytes(server.resident_bytes()));
    }
  }
  stream->WritesDone();
  const grpc::Status status = stream->Finish();
  const double seconds = SecondsSince(start);
  std::printf(
      "ImportAssets: %llu assets of %d values in %.2f s: %.0f assets/s, %llu failed; %.0f MiB before, "
      "%.0f MiB at most\n",
      static_cast<unsigned long long>(response.imported_count()), dimension, seconds,
      static_cast<double>(response.imported_count()) / seconds,
      static_cast<unsigned long long>(response.failed_count()), Mebibytes(before),
      Mebibytes(server.peak_resident_bytes()));
  if (!status.ok()) std::fprintf(stderr, "ImportAssets: %s\n", status.error_message().c_str());
  return status.ok() && response.imported_count() == options.assets;
}

bool Put(const Options& options, int dimension, size_t clients, v1::LibraryService::Stub& library) {
  std::atomic<uint64_t> failed = 0;
  const Clock::time_point start = Clock::now();
  std::vector<std::thread> threads;
  for (size_t client = 0; client < clients; ++client) {
    threads.emplace_back([&, client] {
      RandomVectors vectors(dimension, options.seed * 1'000 + clients + client);
      v1::PutAssetRequest request;
      for (uint64_t i = client; i < options.puts; i += clients) {
        Fill("put-" + std::to_string(clients) + "-" + std::to_string(i), vectors.Next(),
             *request.mutable_asset());
        grpc::ClientContext context;
        v1::PutAssetResponse response;
        if (!library.PutAsset(&context, request, &response).ok()) failed += 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = SecondsSince(start);
  std::printf("PutAsset, %zu at a time: %llu in %.2f s: %.0f assets/s, %.2f ms each, %llu failed\n", clients,
              static_cast<unsigned long long>(options.puts), seconds,
              static_cast<double>(options.puts) / seconds,
              1e3 * seconds * static_cast<double>(clients) / static_cast<double>(options.puts),
              static_cast<unsigned long long>(failed.load()));
  return failed == 0;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures acknowledged (synced) writes a second through gRPC, in a library of its own.");
  app.add_option("--eidetic", options.program, "The program to measure")->capture_default_str();
  app.add_option("--assets", options.assets, "Assets to import")
      ->capture_default_str()
      ->check(CLI::Range(4, 1 << 30));
  app.add_option("--puts", options.puts, "Assets to put one by one")->capture_default_str();
  app.add_option("--clients", options.clients, "Clients of the last measurement")->capture_default_str();
  app.add_option("--seed", options.seed, "Seed of the vectors")->capture_default_str();
  app.add_option("--directory", options.directory,
                 "A new folder for the library, on the disk to measure (default: in the system's temporary "
                 "folder; removed at the end)");
  CLI11_PARSE(app, argc, argv);
  const bool own = options.directory.empty();
  if (own) {
    options.directory = (std::filesystem::temp_directory_path() / "import_assets_XXXXXX").string();
    if (mkdtemp(options.directory.data()) == nullptr) return 1;
  }
  const int dimension =
      static_cast<int>(OpenLibrary(options.program, options.directory)->ActiveGeneration()->dimension());
  bool good = false;
  {
    ServerProcess server(options.program, options.directory);
    const auto library = v1::LibraryService::NewStub(server.Connect());
    good = Import(options, dimension, server, *library);
    good = Put(options, dimension, 1, *library) && good;
    good = Put(options, dimension, options.clients, *library) && good;
    std::printf("server: %.0f MiB at the end, %.0f MiB at most\n", Mebibytes(server.resident_bytes()),
                Mebibytes(server.peak_resident_bytes()));
  }
  std::error_code error;
  if (own) std::filesystem::remove_all(options.directory, error);
  return good ? 0 : 1;
}

}  // namespace
}  // namespace eidetic::bench

int main(int argc, char** argv) { return eidetic::bench::Main(argc, argv); }
