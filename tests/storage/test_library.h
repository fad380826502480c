// A library in a folder of its own that goes with the object; for tests.
#ifndef EIDETIC_TESTS_STORAGE_TEST_LIBRARY_H_
#define EIDETIC_TESTS_STORAGE_TEST_LIBRARY_H_

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "storage/library.h"

namespace eidetic::storage {

// Removes its folder at the end.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern = ::testing::TempDir() + "/eidetic_test_XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TestFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A unit vector that is the same for the same seed.
inline std::vector<float> UnitVector(uint32_t seed, int dimension = 8) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> vector(static_cast<size_t>(dimension));
  double norm = 0;
  for (float& value : vector) {
    value = normal(generator);
    norm += static_cast<double>(value) * value;
  }
  for (float& value : vector) value = static_cast<float>(value / std::sqrt(norm));
  return vector;
}

inline v1::GenerationRecord TestModel(int dimension = 8, const std::string& fingerprint = "f00d") {
  v1::GenerationRecord model;
  model.set_model_name("test");
  model.set_model_fingerprint(fingerprint);
  model.set_dimension(static_cast<uint32_t>(dimension));
  return model;
}

inline std::unique_ptr<Library> OpenTestLibrary(const std::string& directory, int dimension = 8) {
  auto library = Library::Open(directory, {.create = true, .holder_command = "test", .holder_address = ""});
  EXPECT_TRUE(library.ok()) << library.status();
  if (!library.ok()) return nullptr;
  const absl::Status used = (*library)->UseModel(TestModel(dimension));
  EXPECT_TRUE(used.ok()) << used;
  return *std::move(library);
}

// Commits one mutation; its own status.
inline absl::Status CommitOne(Library& library, Mutation mutation) {
  std::vector<Mutation> mutations;
  mutations.push_back(std::move(mutation));
  const auto results = library.Commit(std::move(mutations));
  return results.ok() ? results->front() : results.status();
}

}  // namespace eidetic::storage

#endif  // EIDETIC_TESTS_STORAGE_TEST_LIBRARY_H_
