#include "bench/server_process.h"

#include <grpcpp/create_channel.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "nlohmann/json.hpp"
#include "storage/library.h"

namespace eidetic::bench {

ServerProcess::ServerProcess(const std::string& program, const std::string& library) : library_(library) {
  process_ = fork();
  if (process_ != 0) return;
  execl(program.c_str(), program.c_str(), "--library", library.c_str(), "serve", "--address", "127.0.0.1:0",
        nullptr);
  std::perror(program.c_str());
  _exit(1);
}

ServerProcess::~ServerProcess() {
  if (process_ <= 0) return;
  kill(process_, SIGTERM);
  waitpid(process_, nullptr, 0);
}

std::shared_ptr<grpc::Channel> ServerProcess::Connect() {
  const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(60);
  while (std::chrono::system_clock::now() < deadline) {
    const auto holder = storage::Library::ReadHolder(library_);
    if (holder.ok() && holder->has_value() && (*holder)->pid == process_ && !(*holder)->address.empty()) {
      auto channel = grpc::CreateChannel((*holder)->address, grpc::InsecureChannelCredentials());
      if (channel->WaitForConnected(deadline)) return channel;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  std::fprintf(stderr, "the server on %s does not answer\n", library_.c_str());
  std::exit(1);
}

uint64_t ServerProcess::MemoryField(const std::string& name) const {
  std::ifstream file("/proc/" + std::to_string(process_) + "/status");
  for (std::string word; file >> word;) {
    uint64_t kibibytes = 0;
    if (word == name && file >> kibibytes) return kibibytes << 10;
  }
  return 0;
}

std::unique_ptr<storage::Library> OpenLibrary(const std::string& program, const std::string& directory) {
  std::string text;
  FILE* const pipe = popen((program + " --json model show default").c_str(), "r");
  if (pipe != nullptr) {
    char buffer[4096];
    for (size_t got = 0; (got = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) text.append(buffer, got);
    pclose(pipe);
  }
  const auto shown = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!shown.is_object()) {
    std::fprintf(stderr, "%s shows no model\n", program.c_str());
    std::exit(1);
  }
  storage::v1::GenerationRecord model;
  model.set_model_name(shown["name"].get<std::string>());
  model.set_model_fingerprint(shown["fingerprint"].get<std::string>());
  model.set_dimension(shown["dimension"].get<uint32_t>());
  auto library = storage::Library::Open(directory, {.create = true, .holder_command = "benchmark"});
  const absl::Status ready = library.ok() ? (*library)->UseModel(model) : library.status();
  if (!ready.ok()) {
    std::fprintf(stderr, "%s\n", ready.ToString().c_str());
    std::exit(1);
  }
  return *std::move(library);
}

std::vector<float> RandomVectors::Next() {
  std::vector<float> vector(static_cast<size_t>(dimension_));
  double norm = 0;
  for (float& value : vector) {
    // SplitMix64; the sum of two uniform values is near enough to a normal one.
    float sum = 0;
    for (int i = 0; i < 2; ++i) {
      uint64_t bits = state_ += 0x9E3779B97F4A7C15;
      bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9;
      bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB;
      sum += static_cast<float>(static_cast<int64_t>(bits ^ (bits >> 31)));
    }
    value = sum;
    norm += static_cast<double>(value) * value;
  }
  const double scale = 1 / std::sqrt(norm);
  for (float& value : vector) value = static_cast<float>(value * scale);
  return vector;
}

}  // namespace eidetic::bench
