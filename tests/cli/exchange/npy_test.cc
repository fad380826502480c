// .npy files row by row: what is written is read, and what lies is refused.

#include "cli/exchange/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/storage/test_library.h"

namespace eidetic::cli::exchange {
namespace {

using storage::TestFolder;
using storage::UnitVector;
using testing::HasSubstr;

void WriteRaw(const std::string& path, const std::string& header, const std::string& data) {
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += {static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  std::ofstream(path, std::ios::binary) << bytes << header << data;
}

TEST(NpyTest, RowsComeBack) {
  const TestFolder folder;
  for (const bool half : {false, true}) {
    // More than one buffer of 1 MiB.
    constexpr uint64_t kRows = 5000;
    const std::string path = folder / absl::StrCat(half, ".npy");
    auto writer = NpyWriter::Create(path, kRows, 64, half);
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (uint32_t i = 0; i < kRows; ++i) ASSERT_TRUE((*writer)->Append(UnitVector(i, 64)).ok());
    ASSERT_TRUE((*writer)->Finish().ok());
    auto reader = NpyReader::Open(path);
    ASSERT_TRUE(reader.ok()) << reader.status();
    ASSERT_EQ((*reader)->rows(), kRows);
    ASSERT_EQ((*reader)->dimension(), 64U);
    std::vector<float> row(64);
    for (uint32_t i = 0; i < kRows; ++i) {
      ASSERT_TRUE((*reader)->ReadRow(row).ok());
      const std::vector<float> expected = UnitVector(i, 64);
      for (size_t j = 0; j < row.size(); ++j) ASSERT_NEAR(row[j], expected[j], half ? 5e-4 : 0);
    }
    EXPECT_FALSE((*reader)->ReadRow(row).ok());
  }
}

TEST(NpyTest, AWriterKeepsItsWord) {
  const TestFolder folder;
  auto writer = NpyWriter::Create(folder / "x.npy", 2, 8, false);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Append(UnitVector(1)).ok());
  EXPECT_FALSE((*writer)->Append(UnitVector(1, 9)).ok());
  EXPECT_FALSE((*writer)->Finish().ok());
  ASSERT_TRUE((*writer)->Append(UnitVector(2)).ok());
  EXPECT_FALSE((*writer)->Append(UnitVector(3)).ok());
  EXPECT_TRUE((*writer)->Finish().ok());
}

TEST(NpyTest, ReadsDoubles) {
  const TestFolder folder;
  const double values[] = {0.25, -2};
  WriteRaw(folder / "x.npy", "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }\n",
           std::string(reinterpret_cast<const char*>(values), sizeof(values)));
  auto reader = NpyReader::Open(folder / "x.npy");
  ASSERT_TRUE(reader.ok()) << reader.status();
  std::vector<float> row(2);
  ASSERT_TRUE((*reader)->ReadRow(row).ok());
  EXPECT_EQ(row, (std::vector<float>{0.25F, -2}));
}

TEST(NpyTest, RefusesWhatLies) {
  const TestFolder folder;
  const auto expect_refused = [&](const std::string& header, const std::string& data,
                                  const std::string& message) {
    WriteRaw(folder / "x.npy", header, data);
    const absl::Status status = NpyReader::Open(folder / "x.npy").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << header;
    EXPECT_THAT(status.message(), HasSubstr(message));
    EXPECT_THAT(status.message(), HasSubstr("x.npy"));
  };
  const std::string eight(8, 'x');
  expect_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 2560), }", eight, "needs");
  expect_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8), }", eight,
                 "shape");
  expect_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }", eight, "needs");
  expect_refused("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", eight, "C order");
  expect_refused("{'descr': '|O', 'fortran_order': False, 'shape': (1, 2), }", eight, "|O");
  expect_refused("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2), }", eight, ">f4");
  expect_refused("{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2), }", eight, "<i4");
  expect_refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 2), }", eight, "type");
  expect_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", eight, "matrix");
  expect_refused("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0), }", "", "matrix");
  std::ofstream(folder / "text") << "not numpy";
  EXPECT_EQ(NpyReader::Open(folder / "text").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(NpyReader::Open(folder.path()).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(NpyReader::Open(folder / "nothing").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace eidetic::cli::exchange
