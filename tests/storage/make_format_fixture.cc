// Makes the library that is kept under tests/storage/testdata for later versions
// to open, and the text of what it holds (docs/upgrades.md):
//
//   build/tests/make_format_fixture FOLDER
//
// makes FOLDER/library and FOLDER/expected.txt. The content is always the same
// but for times of creation; RocksDB's file numbers and identity are its own.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"
#include "storage/generation.h"
#include "storage/library.h"
#include "tests/storage/library_dump.h"
#include "tests/storage/test_generations.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {
namespace {

namespace fs = std::filesystem;

PathInput Path(const std::string& path, int64_t mtime) {
  PathInput input{.path = path, .record = {}};
  input.record.set_mtime_nanos(mtime);
  input.record.set_size_bytes(1'000 + path.size());
  return input;
}

CaptionSet Captions(eidetic::v1::CaptionSource source, const std::vector<std::string>& texts, uint32_t seed) {
  CaptionSet set{.source = source, .captions = {}};
  for (const std::string& text : texts) set.captions.push_back({text, UnitVector(seed++)});
  return set;
}

PutAsset Photo(const std::string& id, uint32_t seed) {
  PutAsset put;
  put.asset_id = id;
  put.embedding = UnitVector(seed);
  put.record.set_width(4'000 + seed);
  put.record.set_height(3'000);
  put.record.set_media_type("image/jpeg");
  put.record.set_size_bytes(1'000'000 + seed);
  return put;
}

// In the tables.
std::vector<Mutation> FirstChanges() {
  PutAsset everything = Photo("0123456789abcdef0123456789abcdef", 1);
  everything.record.set_taken_time_micros(1'685'615'405'250'000);
  eidetic::v1::PhotoMetadata& metadata = *everything.record.mutable_metadata();
  metadata.set_camera_make("FUJIFILM");
  metadata.set_camera_model("X100V");
  metadata.set_iso(400);
  metadata.set_latitude(45.4371);
  metadata.set_longitude(12.3326);
  metadata.set_rating(4);
  metadata.add_tags("Canal");
  metadata.add_albums("Honeymoon");
  metadata.set_city("Venezia");
  everything.path = Path("/photos/2023/Venezia à l'aube.jpg", 1'700'000'000'123'456'789);
  everything.caption_sets = {
      Captions(eidetic::v1::CAPTION_SOURCE_CAPTIONS_FILE, {"a canal at dawn", "boats"}, 101),
      Captions(eidetic::v1::CAPTION_SOURCE_SIDECAR, {"morning in Venice"}, 103),
      Captions(eidetic::v1::CAPTION_SOURCE_XMP, {"Canal Grande"}, 104),
      Captions(eidetic::v1::CAPTION_SOURCE_IPTC, {"Venezia"}, 105),
      Captions(eidetic::v1::CAPTION_SOURCE_EXIF, {"DSCF0001"}, 106)};
  PutAsset odd_bytes = Photo("odd-bytes", 2);
  odd_bytes.path = Path("/photos/\xff\xfe new\nline\t\"quoted\" \x01.png", -1);
  PutAsset by_client = Photo("put.by_client", 3);
  by_client.record.set_put_by_client(true);
  (*by_client.record.mutable_attributes())["shelf"] = "A3";
  by_client.caption_sets = {Captions(eidetic::v1::CAPTION_SOURCE_CLIENT, {"ein Text vom Kunden, 漢字"}, 107)};
  PutAsset deleted = Photo("deleted", 4);
  deleted.path = Path("/photos/deleted.jpg", 4);
  PutAsset detached = Photo("detached", 5);
  detached.path = Path("/photos/detached.jpg", 5);
  AttachPath copied{.asset_id = "odd-bytes", .path = Path("/photos/copy.png", 6), .caption_sets = {}};
  return {everything,
          odd_bytes,
          by_client,
          deleted,
          detached,
          copied,
          DeleteAsset{"deleted"},
          DetachPath{"/photos/detached.jpg"}};
}

// In a later table.
std::vector<Mutation> SecondChanges() {
  PutAsset later = Photo("later", 6);
  later.path = Path("/photos/later.jpg", 7);
  PutAsset replaced = Photo("odd-bytes", 7);
  return {later, replaced,
          SetCaptions{"0123456789abcdef0123456789abcdef",
                      {Captions(eidetic::v1::CAPTION_SOURCE_CAPTIONS_FILE, {"boats", "gondolas"}, 110)}},
          AttachPath{.asset_id = "later", .path = Path("/photos/copy.png", 8), .caption_sets = {}},
          DeleteAsset{"no such asset"}};
}

absl::Status Apply(const std::string& library_path, std::vector<Mutation> mutations, uint64_t trim) {
  EIDETIC_ASSIGN_OR_RETURN(const auto library, Library::Open(library_path, {.create = true}));
  EIDETIC_RETURN_IF_ERROR(library->UseModel(TestModel()));
  EIDETIC_RETURN_IF_ERROR(library->Commit(std::move(mutations)).status());
  return library->TrimChanges(trim);
}

// A second generation, half filled: one asset whole, one without its captions.
absl::Status AddGeneration(const std::string& library_path) {
  EIDETIC_ASSIGN_OR_RETURN(const auto library, Library::Open(library_path, {}));
  EIDETIC_ASSIGN_OR_RETURN(const v1::GenerationRecord started,
                           library->StartGeneration(TestModel(kNewDimension, kNew)));
  std::vector<GenerationVectors> vectors;
  for (const char* id : {"put.by_client", "0123456789abcdef0123456789abcdef"}) {
    EIDETIC_ASSIGN_OR_RETURN(const Asset asset, library->GetAsset(id));
    GenerationVectors& given = vectors.emplace_back();
    given.asset_id = id;
    given.embedding_version = asset.record.embedding_version();
    given.embedding = NewVector(static_cast<uint32_t>(vectors.size()));
    if (vectors.size() > 1) continue;
    EIDETIC_ASSIGN_OR_RETURN(const std::vector<CaptionEntry> captions,
                             library->GetCaptions(asset.record.ordinal()));
    for (const CaptionEntry& caption : captions) {
      given.captions.push_back({caption.id, caption.record.text(), NewVector(200)});
    }
  }
  EIDETIC_ASSIGN_OR_RETURN(const std::vector<absl::Status> results,
                           library->PutGenerationVectors(started.number(), kNew, std::move(vectors)));
  for (const absl::Status& result : results) EIDETIC_RETURN_IF_ERROR(result);
  return absl::OkStatus();
}

// What tells of this machine, or is made anew: logs for people, options, locks.
absl::Status RemoveTraces(const std::string& library_path) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(library_path)) {
    files.push_back(entry.path());
  }
  for (const fs::path& file : files) {
    const std::string name = file.filename().string();
    if (name == "LOCK" || absl::StartsWith(name, "LOG") || absl::StartsWith(name, "OPTIONS-"))
      fs::remove(file);
  }
  return absl::OkStatus();
}

absl::Status Make(const std::string& folder) {
  const std::string library_path = folder + "/library";
  if (fs::exists(library_path)) return absl::AlreadyExistsError(library_path + " is there already");
  fs::create_directories(folder);
  EIDETIC_RETURN_IF_ERROR(Apply(library_path, FirstChanges(), 4));
  // Opening it puts the changes before into tables.
  EIDETIC_RETURN_IF_ERROR(Apply(library_path, SecondChanges(), 0));
  EIDETIC_RETURN_IF_ERROR(AddGeneration(library_path));
  EIDETIC_RETURN_IF_ERROR(RemoveTraces(library_path));
  // Read in a copy: opening writes.
  const TestFolder scratch;
  fs::copy(library_path, scratch / "library", fs::copy_options::recursive);
  EIDETIC_ASSIGN_OR_RETURN(const auto library, Library::Open(scratch / "library", {}));
  EIDETIC_ASSIGN_OR_RETURN(const std::string text, DumpLibrary(*library));
  std::ofstream(folder + "/expected.txt", std::ios::binary) << text;
  return absl::OkStatus();
}

}  // namespace
}  // namespace eidetic::storage

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "Usage: make_format_fixture FOLDER\n");
    return 2;
  }
  const absl::Status made = eidetic::storage::Make(argv[1]);
  if (!made.ok()) std::fprintf(stderr, "make_format_fixture: %s\n", made.ToString().c_str());
  return made.ok() ? 0 : 1;
}
