// A private copy of testdata/models/tiny, or another model beside it, that a test may break.
#ifndef EIDETIC_TESTS_ENCODER_TINY_MODEL_H_
#define EIDETIC_TESTS_ENCODER_TINY_MODEL_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"

namespace eidetic::encoder {

inline std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class TinyModel {
 public:
  explicit TinyModel(const std::string& name = "tiny") {
    std::string pattern = absl::StrCat(testing::TempDir(), "tiny_model_XXXXXX");
    folder_ = mkdtemp(pattern.data());
    std::filesystem::copy(Testdata(name), folder_, std::filesystem::copy_options::recursive);
  }
  ~TinyModel() { std::filesystem::remove_all(folder_); }
  TinyModel(const TinyModel&) = delete;
  TinyModel& operator=(const TinyModel&) = delete;

  const std::string& folder() const { return folder_; }
  std::string Path(const std::string& file) const { return absl::StrCat(folder_, "/", file); }
  std::string Read(const std::string& file) const { return ReadWholeFile(Path(file)); }
  void Write(const std::string& file, const std::string& contents) const {
    std::filesystem::create_directories(std::filesystem::path(Path(file)).parent_path());
    std::ofstream(Path(file), std::ios::binary) << contents;
  }
  void Remove(const std::string& file) const { std::filesystem::remove_all(Path(file)); }
  // Puts testdata/models/graphs/`graph` in the place of `file`.
  void UseGraph(const std::string& file, const std::string& graph) const {
    Write(file, ReadWholeFile(Testdata("graphs/" + graph)));
  }
  // Moves `from` to `to` within the folder.
  void Move(const std::string& from, const std::string& to) const {
    std::filesystem::create_directories(std::filesystem::path(Path(to)).parent_path());
    std::filesystem::rename(Path(from), Path(to));
  }
  // Changes the one place in `file` that has `from`.
  void Replace(const std::string& file, const std::string& from, const std::string& to) const {
    std::string text = Read(file);
    const size_t place = text.find(from);
    ASSERT_NE(place, std::string::npos) << from << " is not in " << file;
    Write(file, text.replace(place, from.size(), to));
  }

 private:
  static std::string Testdata(const std::string& name) {
    return absl::StrCat(EIDETIC_SOURCE_DIR, "/tests/encoder/testdata/models/", name);
  }

  std::string folder_;
};

}  // namespace eidetic::encoder

#endif  // EIDETIC_TESTS_ENCODER_TINY_MODEL_H_
