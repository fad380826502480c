#include "encoder/npy_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace eidetic::encoder {
namespace {

using testing::ElementsAre;

std::string Npy(const std::string& header, const std::string& data, char version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += {version, '\0', static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  if (version > 1) bytes += std::string(2, '\0');
  return bytes + header + data;
}

TEST(NpyFileTest, ReadsVersionsOneToThree) {
  for (const char version : {1, 2, 3}) {
    const std::string bytes =
        Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n", "abcdefgh", version);
    const auto array = ParseNpy(bytes, "x.npy");
    ASSERT_TRUE(array.ok()) << array.status();
    EXPECT_EQ(array->type, "<f4");
    EXPECT_THAT(array->shape, ElementsAre(1, 2));
    EXPECT_TRUE(array->data == "abcdefgh");
  }
}

TEST(NpyFileTest, ReadsOneDimensionAndNone) {
  const std::string row = Npy("{'descr': '|i1', 'fortran_order': False, 'shape': (3,), }", "abc");
  EXPECT_THAT(ParseNpy(row, "x")->shape, ElementsAre(3));
  const std::string empty = Npy("{'descr': '|i1', 'fortran_order': False, 'shape': (0, 256), }", "");
  EXPECT_THAT(ParseNpy(empty, "x")->shape, ElementsAre(0, 256));
}

TEST(NpyFileTest, RefusesWhatIsNotWhole) {
  const std::string whole = Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }\n", "abcdefgh");
  for (size_t size = 0; size < whole.size(); ++size) {
    const absl::Status status = ParseNpy(whole.substr(0, size), "name.npy").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << size;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr("name.npy"));
  }
  EXPECT_FALSE(ParseNpy(whole + "i", "x").ok());
}

TEST(NpyFileTest, RefusesHostileHeaders) {
  const struct {
    const char* header;
    const char* what;
  } cases[] = {
      {"", "no dictionary"},
      {"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}", "column order"},
      {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "Python objects"},
      {"{'descr': '<f0', 'fortran_order': False, 'shape': (1,)}", "elements of no bytes"},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 2)}", "records"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", "overflow to 0"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2)}", "a negative side"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2", "no end of the shape"},
      {"{'descr': '<f4', 'fortran_order': False}", "no shape"},
      {"{'descr': '<f4", "no end of the type"},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", "nine dimensions"},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(ParseNpy(Npy(test.header, "abcdefgh"), "x").status().code(), absl::StatusCode::kInvalidArgument)
        << test.what;
  }
  EXPECT_FALSE(
      ParseNpy(Npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "abcdefgh", 9), "x").ok());
}

}  // namespace
}  // namespace eidetic::encoder
