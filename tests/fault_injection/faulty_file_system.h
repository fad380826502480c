// The library's own files on a SimulatedDisk, which it borrows. Any thread.
//
//   FaultyFileSystem files(&disk);
//   SearchEngine::Open(library, {.file_system = &files});
#ifndef EIDETIC_TESTS_FAULT_INJECTION_FAULTY_FILE_SYSTEM_H_
#define EIDETIC_TESTS_FAULT_INJECTION_FAULTY_FILE_SYSTEM_H_

#include <memory>
#include <string>
#include <vector>

#include "storage/file_system.h"
#include "tests/fault_injection/simulated_disk.h"

namespace eidetic::fault_injection {

class FaultyFileSystem final : public storage::FileSystem {
 public:
  explicit FaultyFileSystem(SimulatedDisk* disk) : disk_(disk) {}

  absl::StatusOr<std::unique_ptr<storage::WritableFile>> NewWritableFile(const std::string& path) override;
  absl::StatusOr<std::string> ReadFile(const std::string& path, uint64_t min_bytes,
                                       uint64_t max_bytes) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status CreateDirectory(const std::string& path) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::Status RemoveAll(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path) override;
  bool IsDirectory(const std::string& path) override;

 private:
  SimulatedDisk* disk_;
};

}  // namespace eidetic::fault_injection

#endif  // EIDETIC_TESTS_FAULT_INJECTION_FAULTY_FILE_SYSTEM_H_
