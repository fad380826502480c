// An `eidetic serve` of the benchmark's own on a library, in a process of its
// own; stopped by the destructor. One thread.
//
//   ServerProcess server("build/eidetic", "/tmp/library", {});
//   auto library = v1::LibraryService::NewStub(server.Connect());
#ifndef EIDETIC_BENCH_SERVER_PROCESS_H_
#define EIDETIC_BENCH_SERVER_PROCESS_H_

#include <grpcpp/channel.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/library.h"

namespace eidetic::bench {

class ServerProcess {
 public:
  // Starts it, does not wait for it.
  ServerProcess(const std::string& program, const std::string& library);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Waits until it holds the library and listens; ends the process when it does
  // not within a minute.
  std::shared_ptr<grpc::Channel> Connect();
  // Resident memory now and at most, bytes; 0 when the process is gone.
  uint64_t resident_bytes() const { return MemoryField("VmRSS:"); }
  uint64_t peak_resident_bytes() const { return MemoryField("VmHWM:"); }

 private:
  uint64_t MemoryField(const std::string& name) const;

  const std::string library_;
  pid_t process_ = -1;
};

// Opens the library in `directory`, made when it is missing, with the model that
// `program` uses by default. Ends the process when that fails.
std::unique_ptr<storage::Library> OpenLibrary(const std::string& program, const std::string& directory);

// Unit vectors without end, the same for the same seed.
class RandomVectors {
 public:
  RandomVectors(int dimension, uint64_t seed) : dimension_(dimension), state_(seed) {}
  std::vector<float> Next();

 private:
  const int dimension_;
  uint64_t state_;
};

}  // namespace eidetic::bench

#endif  // EIDETIC_BENCH_SERVER_PROCESS_H_
