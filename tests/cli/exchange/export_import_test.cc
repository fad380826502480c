// What is exported is imported again, through every format; what is damaged,
// foreign or half there is refused or skipped.

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/exchange/export_files.h"
#include "cli/exchange/import_files.h"
#include "cli/exchange/npy.h"
#include "cli/exchange/parquet.h"
#include "storage/library.h"
#include "tests/storage/test_library.h"

namespace eidetic::cli::exchange {
namespace {

namespace fs = std::filesystem;
using eidetic::v1::ExportHeader;
using eidetic::v1::PortableAsset;
using google::protobuf::util::MessageDifferencer;
using storage::TestFolder;
using storage::UnitVector;
using testing::HasSubstr;

constexpr int kDimension = 8;

ExportHeader TestHeader(uint64_t assets) {
  ExportHeader header;
  header.set_asset_count(assets);
  header.set_last_sequence(99);
  header.set_model_name("test");
  header.set_model_fingerprint("f00d");
  header.set_dimension(kDimension);
  return header;
}

void SetVector(eidetic::v1::Embedding& embedding, uint32_t seed) {
  const std::vector<float> vector = UnitVector(seed, kDimension);
  embedding.mutable_values()->Add(vector.begin(), vector.end());
}

PortableAsset TestAsset(uint32_t number) {
  PortableAsset asset;
  asset.set_asset_id(absl::StrCat("asset-", number));
  SetVector(*asset.mutable_embedding(), number);
  if (number % 3 != 0) {
    eidetic::v1::PortablePath* path = asset.add_paths();
    path->set_path(absl::StrCat("/photos/“", number, "”\n'.jpg"));
    path->set_mtime_nanos(1'700'000'000'123'456'789 + number);
    path->set_size_bytes(number);
    asset.add_paths()->set_path_bytes(absl::StrCat("/photos/\xff", number));
  }
  for (uint32_t i = 0; i < number % 4; ++i) {
    eidetic::v1::PortableCaption* caption = asset.add_captions();
    caption->set_text(absl::StrCat("caption ", i, " of ", number, " ☀ \"'\\"));
    caption->set_source(i == 0 ? eidetic::v1::CAPTION_SOURCE_XMP : eidetic::v1::CAPTION_SOURCE_CLIENT);
    SetVector(*caption->mutable_embedding(), number * 10 + i + 1'000'000);
  }
  asset.set_width(number);
  asset.set_height(480);
  asset.set_media_type("image/jpeg");
  asset.set_size_bytes(uint64_t{1} << 40);
  asset.mutable_create_time()->set_seconds(1'600'000'000 + number);
  asset.mutable_create_time()->set_nanos(123'456'000);
  if (number % 2 == 0) asset.mutable_taken_time()->set_seconds(-1'000'000);
  asset.mutable_metadata()->set_latitude(43.77 + number);
  asset.mutable_metadata()->set_camera_model("X100V");
  asset.mutable_metadata()->add_tags("beach");
  (*asset.mutable_attributes())["key"] = absl::StrCat("value ", number);
  asset.set_put_by_client(number % 5 == 0);
  return asset;
}

absl::Status ExportAll(const ExportOptions& options, uint32_t count) {
  auto files = ExportFiles::Open(options, TestHeader(count));
  if (!files.ok()) return files.status();
  for (uint32_t i = 0; i < count; ++i) {
    const absl::Status added = (*files)->Add(TestAsset(i));
    if (!added.ok()) return added;
  }
  return (*files)->Finish();
}

struct Imported {
  absl::Status status;
  ExportHeader header;
  std::vector<PortableAsset> assets;
  std::vector<std::string> problems;
};

Imported ImportAll(const std::string& path) {
  Imported imported;
  const TestFolder scratch;
  auto files = ImportFiles::Open(path, scratch / "duckdb");
  if (!files.ok()) {
    imported.status = files.status();
    return imported;
  }
  imported.header = (*files)->header();
  ImportItem item;
  while (true) {
    const absl::StatusOr<bool> more = (*files)->Next(item);
    imported.status = more.status();
    if (!more.ok() || !*more) return imported;
    if (item.problem.ok()) {
      imported.assets.push_back(item.asset);
    } else {
      imported.problems.push_back(absl::StrCat(item.place, ": ", item.problem.message()));
    }
  }
}

void ExpectSame(const Imported& imported, uint32_t count, float margin = 0) {
  ASSERT_TRUE(imported.status.ok()) << imported.status;
  EXPECT_THAT(imported.problems, testing::IsEmpty());
  EXPECT_EQ(imported.header.model_fingerprint(), "f00d");
  EXPECT_EQ(imported.header.dimension(), static_cast<uint32_t>(kDimension));
  ASSERT_EQ(imported.assets.size(), count);
  MessageDifferencer differencer;
  for (uint32_t i = 0; i < count; ++i) {
    PortableAsset expected = TestAsset(i);
    PortableAsset found = imported.assets[i];
    if (margin > 0) {
      for (int j = 0; j < kDimension; ++j) {
        ASSERT_NEAR(found.embedding().values(j), expected.embedding().values(j), margin);
      }
      found.clear_embedding();
      expected.clear_embedding();
    }
    std::string difference;
    differencer.ReportDifferencesToString(&difference);
    ASSERT_TRUE(differencer.Compare(expected, found)) << difference;
  }
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteAll(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

TEST(ExportImportTest, WhatWasExportedIsImported) {
  const TestFolder folder;
  for (const ExportFormat format : {ExportFormat::kClipRetrieval, ExportFormat::kNdjson}) {
    const std::string target = folder / absl::StrCat("it's [*] ", static_cast<int>(format), "\xff");
    // Eleven parts: numbers of two digits.
    const absl::Status exported =
        ExportAll({.directory = target, .format = format, .assets_per_part = 10}, 105);
    ASSERT_TRUE(exported.ok()) << exported;
    ExpectSame(ImportAll(target), 105);
    EXPECT_FALSE(fs::exists(target + ".partial"));
    EXPECT_FALSE(fs::exists(target + "/EXPORTING"));
    EXPECT_FALSE(fs::exists(target + "/scratch"));
  }
  EXPECT_TRUE(fs::exists(folder / "it's [*] 0\xff/metadata/metadata_00.parquet"));
  EXPECT_TRUE(fs::exists(folder / "it's [*] 0\xff/img_emb/img_emb_10.npy"));
}

TEST(ExportImportTest, NamesOfClipRetrieval) {
  const TestFolder folder;
  ASSERT_TRUE(ExportAll({.directory = folder / "out"}, 7).ok());
  for (const char* name :
       {"img_emb/img_emb_0.npy", "text_emb/text_emb_0.npy", "metadata/metadata_0.parquet"}) {
    EXPECT_TRUE(fs::exists(folder / "out/" + name)) << name;
  }
  auto metadata = ParquetReader::Open(folder / "out/metadata/metadata_0.parquet",
                                      {"image_path", "caption", "width"}, folder / "scratch");
  ASSERT_TRUE(metadata.ok()) << metadata.status();
  auto texts = NpyReader::Open(folder / "out/text_emb/text_emb_0.npy");
  ASSERT_TRUE(texts.ok());
  ParquetRow row;
  std::vector<float> text(kDimension);
  for (uint32_t i = 0; i < 7; ++i) {
    ASSERT_TRUE(*(*metadata)->Next(row));
    ASSERT_TRUE((*texts)->ReadRow(text).ok());
    const PortableAsset asset = TestAsset(i);
    EXPECT_EQ(row[0].has_value(), asset.paths_size() > 0);
    EXPECT_EQ(row[1].has_value(), asset.captions_size() > 0);
    if (row[0].has_value()) {
      EXPECT_EQ(*row[0], asset.paths(0).path());
    }
    if (row[1].has_value()) {
      EXPECT_EQ(*row[1], asset.captions(0).text());
    }
    EXPECT_EQ(*row[2], absl::StrCat(i));
    EXPECT_EQ(text, asset.captions().empty() ? std::vector<float>(kDimension)
                                             : UnitVector(i * 10 + 1'000'000, kDimension))
        << "row " << i;
  }
  EXPECT_FALSE(*(*metadata)->Next(row));
}

TEST(ExportImportTest, HalfIsNearlyTheSame) {
  const TestFolder folder;
  ASSERT_TRUE(ExportAll({.directory = folder / "out", .half = true}, 20).ok());
  ExpectSame(ImportAll(folder / "out"), 20, 1e-3F);
  EXPECT_LT(fs::file_size(folder / "out/img_emb/img_emb_0.npy"), 20U * kDimension * 4);
}

TEST(ExportImportTest, AnEmptyLibrary) {
  const TestFolder folder;
  for (const ExportFormat format : {ExportFormat::kClipRetrieval, ExportFormat::kNdjson}) {
    const std::string target = folder / absl::StrCat(static_cast<int>(format));
    ASSERT_TRUE(ExportAll({.directory = target, .format = format}, 0).ok());
    ExpectSame(ImportAll(target), 0);
  }
}

TEST(ExportImportTest, NothingIsThereUntilAllIs) {
  const TestFolder folder;
  const ExportOptions options{.directory = folder / "out", .assets_per_part = 2};
  {
    auto files = ExportFiles::Open(options, TestHeader(5));
    ASSERT_TRUE(files.ok()) << files.status();
    for (uint32_t i = 0; i < 3; ++i) ASSERT_TRUE((*files)->Add(TestAsset(i)).ok());
    EXPECT_EQ(ExportFiles::Open(options, TestHeader(5)).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ((*files)->Finish().code(), absl::StatusCode::kDataLoss);
    EXPECT_FALSE(fs::exists(folder / "out"));
  }
  EXPECT_FALSE(fs::exists(folder / "out.partial"));
  // What a killed one leaves.
  fs::create_directory(folder / "out.partial");
  WriteAll(folder / "out.partial/EXPORTING", "");
  WriteAll(folder / "out.partial/img_emb", "half");
  fs::create_directory(folder / "out");
  ASSERT_TRUE(ExportAll(options, 5).ok());
  ExpectSame(ImportAll(folder / "out"), 5);
}

TEST(ExportImportTest, OtherPeoplesFilesAreLeftAlone) {
  const TestFolder folder;
  fs::create_directory(folder / "out");
  WriteAll(folder / "out/letter", "dear");
  EXPECT_EQ(ExportAll({.directory = folder / "out"}, 1).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ExportAll({.directory = folder / "out/letter"}, 1).code(), absl::StatusCode::kFailedPrecondition);
  fs::create_directory(folder / "new.partial");
  WriteAll(folder / "new.partial/letter", "dear");
  EXPECT_EQ(ExportAll({.directory = folder / "new"}, 1).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReadAll(folder / "out/letter"), "dear");
  EXPECT_EQ(ReadAll(folder / "new.partial/letter"), "dear");
}

// What clip-retrieval's own inference writes: float16, two columns, no manifest.
class ForeignTest : public testing::Test {
 protected:
  void WritePart(const std::string& part, uint32_t first, uint32_t rows, bool with_text) {
    for (const char* name : {"img_emb", "metadata", "text_emb"})
      fs::create_directories(folder_ / "in/" + name);
    auto images = NpyWriter::Create(folder_ / absl::StrCat("in/img_emb/img_emb_", part, ".npy"), rows,
                                    kDimension, true);
    auto texts = NpyWriter::Create(folder_ / absl::StrCat("in/text_emb/text_emb_", part, ".npy"), rows,
                                   kDimension, true);
    auto metadata = ParquetWriter::Open({{"image_path", ParquetType::kText}, {"caption", ParquetType::kText}},
                                        folder_ / "scratch");
    ASSERT_TRUE(images.ok() && texts.ok() && metadata.ok()) << metadata.status();
    for (uint32_t i = first; i < first + rows; ++i) {
      ASSERT_TRUE((*images)->Append(UnitVector(i, kDimension)).ok());
      ASSERT_TRUE((*texts)->Append(UnitVector(i + 500, kDimension)).ok());
      ASSERT_TRUE((*metadata)
                      ->AddRow({i % 2 == 0 ? absl::StrCat("/data/", i, ".jpg") : absl::StrCat("00000000", i),
                                absl::StrCat("text ", i)})
                      .ok());
    }
    ASSERT_TRUE((*images)->Finish().ok());
    ASSERT_TRUE((*texts)->Finish().ok());
    ASSERT_TRUE((*metadata)->Write(folder_ / absl::StrCat("in/metadata/metadata_", part, ".parquet")).ok());
    if (!with_text) fs::remove(folder_ / absl::StrCat("in/text_emb/text_emb_", part, ".npy"));
  }

  void ExpectRefused(const std::string& message) {
    const Imported imported = ImportAll(folder_ / "in");
    EXPECT_EQ(imported.status.code(), absl::StatusCode::kInvalidArgument) << imported.status;
    EXPECT_THAT(imported.status.message(), HasSubstr(message));
    EXPECT_TRUE(imported.assets.empty());
  }

  TestFolder folder_;
};

TEST_F(ForeignTest, IdsAreDerived) {
  WritePart("0", 0, 4, true);
  WritePart("1", 4, 3, false);
  const Imported imported = ImportAll(folder_ / "in");
  ASSERT_TRUE(imported.status.ok()) << imported.status;
  EXPECT_EQ(imported.header.model_fingerprint(), "");
  EXPECT_EQ(imported.header.dimension(), static_cast<uint32_t>(kDimension));
  EXPECT_EQ(imported.header.asset_count(), 7U);
  ASSERT_EQ(imported.assets.size(), 7U);
  for (uint32_t i = 0; i < 7; ++i) {
    const PortableAsset& asset = imported.assets[i];
    EXPECT_TRUE(storage::ValidateAssetId(asset.asset_id()).ok());
    EXPECT_EQ(asset.captions(0).text(), absl::StrCat("text ", i));
    EXPECT_EQ(asset.captions(0).has_embedding(), i < 4);
    EXPECT_NEAR(asset.embedding().values(0), UnitVector(i, kDimension)[0], 1e-3);
    if (i % 2 == 0) {
      EXPECT_EQ(asset.paths(0).path(), absl::StrCat("/data/", i, ".jpg"));
    } else {
      EXPECT_EQ(asset.attributes().at("image_path"), absl::StrCat("00000000", i));
    }
  }
  // The same the next time, and each its own.
  const Imported again = ImportAll(folder_ / "in");
  for (uint32_t i = 0; i < 7; ++i) EXPECT_EQ(imported.assets[i].asset_id(), again.assets[i].asset_id());
  EXPECT_NE(imported.assets[0].asset_id(), imported.assets[1].asset_id());
}

TEST_F(ForeignTest, WhatDoesNotBelongTogetherIsRefused) {
  WritePart("0", 0, 4, true);
  WritePart("1", 4, 4, true);
  const std::string first = folder_ / "in/img_emb/img_emb_0.npy";
  const std::string good = ReadAll(first);
  auto longer = NpyWriter::Create(first, 5, kDimension, true);
  for (uint32_t i = 0; i < 5; ++i) ASSERT_TRUE((*longer)->Append(UnitVector(i, kDimension)).ok());
  ASSERT_TRUE((*longer)->Finish().ok());
  ExpectRefused("text_emb_0.npy has 4");
  fs::remove(folder_ / "in/text_emb/text_emb_0.npy");
  ExpectRefused("metadata_0.parquet has 4 rows");
  auto wider = NpyWriter::Create(first, 4, kDimension + 1, true);
  for (uint32_t i = 0; i < 4; ++i) ASSERT_TRUE((*wider)->Append(UnitVector(i, kDimension + 1)).ok());
  ASSERT_TRUE((*wider)->Finish().ok());
  ExpectRefused("img_emb_1.npy has 8 columns, not 9");
  WriteAll(first, good);
  fs::remove(folder_ / "in/metadata/metadata_1.parquet");
  ExpectRefused("metadata_1.parquet is missing");
}

TEST_F(ForeignTest, DamagedParquetIsRefusedAndHarmsNothing) {
  WritePart("0", 0, 200, true);
  const std::string path = folder_ / "in/metadata/metadata_0.parquet";
  const std::string good = ReadAll(path);
  std::mt19937 random(20261125);
  int refused = 0;
  for (int round = 0; round < 150; ++round) {
    std::string bytes = good;
    switch (round % 3) {
      case 0:
        bytes[random() % bytes.size()] ^= static_cast<char>(1 << (random() % 8));
        break;
      case 1:
        bytes.resize(random() % bytes.size());
        break;
      case 2:
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(random() % bytes.size()), bytes.end(), '\xff');
        break;
    }
    WriteAll(path, bytes);
    const Imported imported = ImportAll(folder_ / "in");
    if (!imported.status.ok()) {
      ++refused;
      EXPECT_THAT(imported.status.message(), HasSubstr("metadata_0.parquet"));
    }
  }
  EXPECT_GE(refused, 100);
  for (const std::string& bytes :
       {std::string(), std::string("PAR1"), std::string("PAR1\xff\xff\xff\x7fPAR1")}) {
    WriteAll(path, bytes);
    ExpectRefused("metadata_0.parquet");
  }
}

TEST(ImportTest, APartThatIsGoneIsMissed) {
  const TestFolder folder;
  ASSERT_TRUE(ExportAll({.directory = folder / "out", .assets_per_part = 2}, 6).ok());
  for (const char* name :
       {"img_emb/img_emb_2.npy", "text_emb/text_emb_2.npy", "metadata/metadata_2.parquet"}) {
    fs::remove(folder / "out/" + name);
  }
  const Imported imported = ImportAll(folder / "out");
  EXPECT_EQ(imported.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(imported.status.message(), HasSubstr("a part is missing"));
}

TEST(ImportTest, BadLinesAreSkippedWithTheirPlace) {
  const TestFolder folder;
  const std::string long_line = absl::StrCat("{\"asset_id\":\"", std::string(40 << 20, 'x'), "\"}\n");
  WriteAll(folder / "in.ndjson",
           absl::StrCat("{\"asset_id\":\"a\",\"embedding\":{\"values\":[1,0]},\"colour\":\"red\"}\r\n", "\n",
                        "not json\n", "{\"asset_id\":7.5}\n", long_line, std::string(5000, '['), "\n",
                        "{\"asset_id\":\"b\"}"));
  const Imported imported = ImportAll(folder / "in.ndjson");
  ASSERT_TRUE(imported.status.ok()) << imported.status;
  ASSERT_EQ(imported.assets.size(), 2U);
  EXPECT_EQ(imported.assets[0].embedding().values_size(), 2);
  EXPECT_EQ(imported.assets[1].asset_id(), "b");
  ASSERT_EQ(imported.problems.size(), 4U);
  EXPECT_THAT(imported.problems[0], HasSubstr("in.ndjson line 3"));
  EXPECT_THAT(imported.problems[2], HasSubstr("line 5: longer than"));
}

TEST(ImportTest, WhatIsNoExportIsRefused) {
  const TestFolder folder;
  fs::create_directory(folder / "photos");
  EXPECT_EQ(ImportAll(folder / "photos").status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ImportAll(folder / "nothing").status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ImportAll("/dev/null").status.code(), absl::StatusCode::kInvalidArgument);
  fs::create_directories(folder / "photos/img_emb");
  EXPECT_EQ(ImportAll(folder / "photos").status.code(), absl::StatusCode::kInvalidArgument);
  WriteAll(folder / "photos/eidetic_export.json", "{]");
  EXPECT_THAT(ImportAll(folder / "photos").status.message(), HasSubstr("eidetic_export.json"));
}

}  // namespace
}  // namespace eidetic::cli::exchange
