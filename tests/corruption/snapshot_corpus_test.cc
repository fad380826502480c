// Damages the snapshot of a library's indexes in every way that we know of, and
// looks what the search engine makes of it (docs/testing.md): the damage is
// noticed, the indexes are rebuilt, answers equal a scan of the truth, and the
// next snapshot is good.

#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "tests/corruption/corpus_options.h"
#include "tests/corruption/corpus_runner.h"
#include "tests/corruption/damage.h"
#include "tests/corruption/sample_library.h"

namespace eidetic::corruption {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr uint64_t kStep = 64 << 10;
// From this many vectors on an index is a graph: the photos', not the captions'.
constexpr size_t kHnswFrom = 2'000;
// Changes in the older snapshot, and in the newer.
constexpr uint64_t kOlderChanges = 3'400;
// What a snapshot of the library holds.
const std::vector<std::string> kParts = {"images",   "images-codes",   "images-vectors",  "images-graph",
                                         "captions", "captions-codes", "captions-vectors"};

// Every other case with vectors left on disk: which, its description tells, so that
// a case run alone is the same.
searcher::SearchEngineOptions EngineOptions(const DamageCase& damage) {
  return {.hnsw_from = kHnswFrom,
          .follow_changes = false,
          .vectors_on_disk = std::hash<std::string>()(damage.description) % 2 == 1};
}

std::string Checksum(const std::string& bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

std::string ManifestPath(const std::string& folder) { return folder + "/MANIFEST"; }

// Path of the file that ends with `.part`.
std::string PartPath(const std::string& folder, const std::string& part) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == "." + part) return entry.path();
  }
  std::cerr << "no " << part << " in " << folder << "\n";
  std::_Exit(4);
}

// A manifest with a right checksum that says something else.
void ChangeManifest(const std::string& folder, const std::function<void(Json&)>& change) {
  const std::string text = ReadBytes(ManifestPath(folder));
  Json manifest = Json::parse(text.substr(0, text.find('\n')));
  change(manifest);
  const std::string line = manifest.dump();
  WriteBytes(ManifestPath(folder), line + "\n" + Checksum(line) + "\n");
}

// Folders that the cases start from: `library` is at the last change, `index` its
// good snapshot, `older` one from before, `foreign` that of another library.
struct Originals {
  explicit Originals(const std::string& directory)
      : library(directory + "/library"),
        index(directory + "/index"),
        older(directory + "/older"),
        foreign(directory + "/foreign") {}
  std::string library;
  std::string index;
  std::string older;
  std::string foreign;
};

void SaveIndex(storage::Library& library, const std::string& copy) {
  const auto engine =
      searcher::SearchEngine::Open(&library, {.hnsw_from = kHnswFrom, .follow_changes = true});
  if (!engine.ok()) std::_Exit(5);
  // The graph is built in the background.
  while ((*engine)->status().kind != searcher::IndexKind::kHnsw || (*engine)->status().building)
    usleep(1'000);
  if (!(*engine)->SaveSnapshot().ok()) std::_Exit(5);
  fs::remove_all(copy);
  CopyFolder(library.directory() + "/index", copy);
}

void MakeOriginals(const SampleLibrary& sample, const SampleLibrary& other, const Originals& originals) {
  {
    const auto library = sample.Make(originals.library);
    sample.Write(*library, 0, kOlderChanges);
    SaveIndex(*library, originals.older);
    sample.Write(*library, kOlderChanges, sample.changes());
    SaveIndex(*library, originals.index);
  }
  {
    const auto library = other.Make(originals.library + "-other");
    other.Write(*library, 0, other.changes());
    SaveIndex(*library, originals.foreign);
  }
  fs::remove_all(originals.library + "/index");
}

class Worker final : public CorpusWorker {
 public:
  Worker(const SampleLibrary& sample, const Originals& originals, const std::string& folder)
      : sample_(sample), originals_(originals), index_(folder + "/library/index") {
    DropRootsReading();
    CopyFolder(originals.library, folder + "/library");
    library_ = sample.Make(folder + "/library");
  }

  CaseResult RunCase(const DamageCase& damage) override {
    fs::remove_all(index_);
    fs::remove_all(index_ + ".elsewhere");
    CopyFolder(originals_.index, index_);
    damage.damage(index_);
    CaseResult result;
    {
      const auto engine = searcher::SearchEngine::Open(library_.get(), EngineOptions(damage));
      // A forged number: the database is blamed, and nothing is served.
      if (absl::IsDataLoss(engine.status()) &&
          absl::StrContains(engine.status().message(), "has lost changes")) {
        return {Verdict::kDetected, engine.status().ToString()};
      }
      if (!engine.ok()) return {Verdict::kWrong, absl::StrCat("not rebuilt: ", engine.status().ToString())};
      const searcher::SearchEngineStatus status = (*engine)->status();
      if (status.last_sequence != sample_.changes()) return {Verdict::kWrong, "not up to date"};
      if (std::string wrong = sample_.CompareSearches(*library_, **engine); !wrong.empty()) {
        return {Verdict::kWrong, wrong};
      }
      if (status.origin == "snapshot") return {Verdict::kHarmless, "opened from the snapshot"};
      if (status.origin != "rebuilt" || status.origin_detail.empty()) {
        return {Verdict::kWrong, absl::StrCat("rebuilt without saying why: ", status.origin)};
      }
      result = {Verdict::kDetected, status.origin_detail};
      if (const absl::Status saved = (*engine)->SaveSnapshot(); !saved.ok()) {
        return {Verdict::kWrong, absl::StrCat("no new snapshot: ", saved.ToString())};
      }
    }
    const auto again = searcher::SearchEngine::Open(library_.get(), EngineOptions(damage));
    if (!again.ok() || (*again)->status().origin != "snapshot") {
      return {Verdict::kWrong, "the new snapshot is not used"};
    }
    if (std::string wrong = sample_.CompareSearches(*library_, **again); !wrong.empty()) {
      return {Verdict::kWrong, absl::StrCat("from the new snapshot: ", wrong)};
    }
    return result;
  }

 private:
  const SampleLibrary& sample_;
  const Originals& originals_;
  const std::string index_;
  std::unique_ptr<storage::Library> library_;
};

class CaseList {
 public:
  CaseList(const Originals& originals, uint64_t seed) : originals_(originals), random_(seed) {
    files_ = {"MANIFEST"};
    for (const std::string& part : kParts) {
      files_.push_back(fs::path(PartPath(originals.index, part)).filename());
    }
  }

  std::vector<DamageCase> Make() {
    AddTruncations();
    AddBytes();
    AddReplacements();
    AddMixedSnapshots();
    AddManifests();
    AddStrayFiles();
    AddFolder();
    return std::move(cases_);
  }

 private:
  using Damage = std::function<void(const std::string& folder)>;

  void Add(const std::string& kind, const std::string& description, Damage damage,
           Expectation expectation = Expectation::kDetected) {
    cases_.push_back({kind, description, expectation, std::move(damage)});
  }
  uint64_t Size(const std::string& file) const { return fs::file_size(originals_.index + "/" + file); }
  // Each file as often as the others: the manifest is small and matters most.
  const std::string& AnyFile() { return files_[random_() % files_.size()]; }
  const std::string& AnyPart() { return files_[1 + random_() % (files_.size() - 1)]; }

  void AddTruncations() {
    for (const std::string& file : files_) {
      for (uint64_t size = 0; size < Size(file); size += kStep) {
        Add("truncated at a 64 KB step", absl::StrCat(file, " to ", size),
            [file, size](const std::string& folder) { Truncate(folder + "/" + file, size); });
      }
    }
    for (int i = 0; i < 500; ++i) {
      const std::string file = AnyFile();
      const uint64_t size = random_() % Size(file);
      Add("truncated at a random offset", absl::StrCat(file, " to ", size),
          [file, size](const std::string& folder) { Truncate(folder + "/" + file, size); });
    }
  }

  void AddBytes() {
    for (int i = 0; i < 500; ++i) {
      const std::string file = AnyFile();
      const uint64_t from = random_() % Size(file);
      Add("zeroed suffix", absl::StrCat(file, " from ", from),
          [file, from](const std::string& folder) { Zero(folder + "/" + file, from); });
    }
    for (int i = 0; i < 100; ++i) {
      const std::string& file = AnyPart();
      const uint64_t from = random_() % (Size(file) / 512) * 512;
      Add("zeroed sector", absl::StrCat(file, " at ", from), [file, from](const std::string& folder) {
        Zero(folder + "/" + file, from, std::min(from + 512, fs::file_size(folder + "/" + file)));
      });
    }
    for (int i = 0; i < 2'000; ++i) {
      const std::string file = AnyFile();
      const uint64_t bit = random_() % (8 * Size(file));
      Add("bit flip", absl::StrCat(file, " bit ", bit),
          [file, bit](const std::string& folder) { FlipBit(folder + "/" + file, bit); });
    }
    for (int i = 0; i < 50; ++i) {
      const std::string file = AnyFile();
      const size_t more = 1 + random_() % 100'000;
      Add("bytes appended", absl::StrCat(more, " to ", file), [file, more](const std::string& folder) {
        WriteBytes(folder + "/" + file, ReadBytes(folder + "/" + file) + std::string(more, '\0'));
      });
    }
    for (int i = 0; i < 50; ++i) {
      const std::string& file = AnyPart();
      const uint64_t blocks = Size(file) / 4096;
      const uint64_t a = random_() % blocks;
      const uint64_t b = (a + 1 + random_() % (blocks - 1)) % blocks;
      Add("blocks swapped in a file", absl::StrCat(file, " blocks ", a, " and ", b),
          [file, a, b](const std::string& folder) {
            std::string bytes = ReadBytes(folder + "/" + file);
            std::swap_ranges(bytes.begin() + static_cast<std::ptrdiff_t>(a * 4096),
                             bytes.begin() + static_cast<std::ptrdiff_t>((a + 1) * 4096),
                             bytes.begin() + static_cast<std::ptrdiff_t>(b * 4096));
            WriteBytes(folder + "/" + file, bytes);
          });
    }
  }

  void AddReplacements() {
    for (const Replacement replacement : kReplacements) {
      for (const std::string& file : files_) {
        Add(ReplacementName(replacement), file,
            [file, replacement](const std::string& folder) { Replace(folder + "/" + file, replacement); });
      }
    }
  }

  void AddMixedSnapshots() {
    for (size_t a = 0; a < files_.size(); ++a) {
      for (size_t b = a + 1; b < files_.size(); ++b) {
        Add("swapped files", files_[a] + " and " + files_[b],
            [one = files_[a], two = files_[b]](const std::string& folder) {
              Swap(folder + "/" + one, folder + "/" + two);
            });
      }
    }
    for (const std::string& from : {originals_.older, originals_.foreign}) {
      const std::string whose = from == originals_.older ? "old epoch" : "another library's";
      for (const std::string& part : kParts) {
        Add(whose + " file with this manifest", part, [from, part](const std::string& folder) {
          WriteBytes(PartPath(folder, part), ReadBytes(PartPath(from, part)));
        });
        Add(whose + " manifest", "with its " + part, [from, part](const std::string& folder) {
          WriteBytes(ManifestPath(folder), ReadBytes(ManifestPath(from)));
          WriteBytes(folder + "/" + fs::path(PartPath(from, part)).filename().string(),
                     ReadBytes(PartPath(from, part)));
        });
      }
      Add(whose + " manifest", "with these files", [from](const std::string& folder) {
        WriteBytes(ManifestPath(folder), ReadBytes(ManifestPath(from)));
      });
    }
    Add("another library's snapshot", "whole", [from = originals_.foreign](const std::string& folder) {
      fs::remove_all(folder);
      CopyFolder(from, folder);
    });
    // Old but whole: the change log leads on from there.
    Add(
        "old epoch, whole", "",
        [from = originals_.older](const std::string& folder) {
          fs::remove_all(folder);
          CopyFolder(from, folder);
        },
        Expectation::kHarmless);
  }

  void AddManifests() {
    const auto add = [this](const std::string& description, const std::function<void(Json&)>& change,
                            Expectation expectation = Expectation::kDetected) {
      Add(
          "manifest from the future or of another", description,
          [change](const std::string& folder) { ChangeManifest(folder, change); }, expectation);
    };
    add("format 1", [](Json& json) { json["format"] = 1; });
    add("format 3", [](Json& json) { json["format"] = 3; });
    add("format -1", [](Json& json) { json["format"] = -1; });
    add("format 2^32 + 2", [](Json& json) { json["format"] = (uint64_t{1} << 32) + 2; });
    add("format as text", [](Json& json) { json["format"] = "2"; });
    add("change number ahead",
        [](Json& json) { json["last_sequence"] = json["last_sequence"].get<int>() + 1; });
    add("change number 2^64 - 1", [](Json& json) { json["last_sequence"] = ~uint64_t{0}; });
    add("generation 2", [](Json& json) { json["generation"] = 2; });
    add("dimension 128", [](Json& json) { json["dimension"] = 128; });
    add("dimension 2^32 + 256", [](Json& json) { json["dimension"] = (uint64_t{1} << 32) + 256; });
    add("another model", [](Json& json) { json["model_fingerprint"] = "0ther"; });
    add("another database", [](Json& json) { json["database_id"] = "0ther"; });
    for (size_t i = 0; i < kParts.size(); ++i) {
      // Without a graph the rest is a whole index that compares all.
      const auto without = [i](Json& json) {
        Json& files = json["files"];
        for (size_t at = 0; at < files.size(); ++at) {
          if (files[at]["part"] == kParts[i]) {
            files.erase(at);
            return;
          }
        }
      };
      add("without the file " + kParts[i], without,
          kParts[i] == "images-graph" ? Expectation::kHarmless : Expectation::kDetected);
    }
    add("a file twice", [](Json& json) { json["files"].push_back(json["files"][0]); });
    for (size_t a = 0; a < kParts.size(); ++a) {
      for (size_t b = a + 1; b < kParts.size(); ++b) {
        add(absl::StrCat("parts exchanged: ", kParts[a], " and ", kParts[b]), [a, b](Json& json) {
          for (Json& file : json["files"]) {
            if (file["part"] == kParts[a]) {
              file["part"] = kParts[b];
            } else if (file["part"] == kParts[b]) {
              file["part"] = kParts[a];
            }
          }
        });
      }
    }
    add("effort is null", [](Json& json) { json["image_effort"] = nullptr; });
    add("effort without points", [](Json& json) { json["image_effort"] = {{"queries", 100}}; });
    add("effort of 2^32", [](Json& json) {
      json["image_effort"] = {{"queries", 100},
                              {"points", {{{"ef_search", uint64_t{1} << 32}, {"recall", 1.0}}}}};
    });
    add("effort whose recall is text", [](Json& json) {
      json["image_effort"] = {{"queries", 100}, {"points", {{{"ef_search", 100}, {"recall", "1"}}}}};
    });
    add("a size 2^63", [](Json& json) { json["files"][0]["size"] = uint64_t{1} << 63; });
    add("a name with a folder", [](Json& json) { json["files"][0]["name"] = "../index/x"; });
    add("a name ..", [](Json& json) { json["files"][0]["name"] = ".."; });
    for (const char* key : {"format", "database_id", "generation", "epoch", "last_sequence", "dimension",
                            "model_fingerprint", "files"}) {
      add(absl::StrCat("without ", key), [key](Json& json) { json.erase(key); });
      add(absl::StrCat(key, " is null"), [key](Json& json) { json[key] = nullptr; });
    }
    add(
        "epoch 2^64 - 1", [](Json& json) { json["epoch"] = ~uint64_t{0}; }, Expectation::kHarmless);
    add(
        "a field more", [](Json& json) { json["comment"] = "x"; }, Expectation::kHarmless);
  }

  void AddStrayFiles() {
    const std::string images = files_[1];
    for (const std::string& name :
         {std::string("MANIFEST.tmp"), images + ".tmp", std::string("1-99.images.tmp"),
          std::string("1-99.images"), std::string(".hidden"), std::string("core")}) {
      for (const Replacement kind :
           {Replacement::kText, Replacement::kEmptyFile, Replacement::kDirectory, Replacement::kPipe,
            Replacement::kSocket, Replacement::kDevice, Replacement::kLinkLoop, Replacement::kUnreadable}) {
        Add(
            "stray file", absl::StrCat(name, ", ", ReplacementName(kind)),
            [name, kind](const std::string& folder) {
              WriteBytes(folder + "/" + name, "stray");
              Replace(folder + "/" + name, kind);
            },
            Expectation::kHarmless);
        // And in the way of the next snapshot.
        Add("stray file and damage", absl::StrCat(name, ", ", ReplacementName(kind)),
            [name, kind, images](const std::string& folder) {
              WriteBytes(folder + "/" + name, "stray");
              Replace(folder + "/" + name, kind);
              Truncate(folder + "/" + images, 1000);
            });
      }
    }
  }

  void AddFolder() {
    for (const Replacement replacement : kReplacements) {
      // Without permissions even its owner cannot put it right.
      if (replacement == Replacement::kUnreadable) continue;
      Add(
          "in place of the folder", ReplacementName(replacement),
          [replacement](const std::string& folder) { Replace(folder, replacement); },
          replacement == Replacement::kLinkElsewhere ? Expectation::kHarmless : Expectation::kDetected);
    }
  }

  const Originals& originals_;
  std::mt19937_64 random_;
  std::vector<std::string> files_;
  std::vector<DamageCase> cases_;
};

int Main(int argc, char** argv) {
  return RunCorpus(argc, argv, "Damages the snapshot of a library's indexes and looks what comes of it.",
                   [](const CorpusOptions& options, const std::string& directory, CorpusRunner& runner) {
                     const SampleLibrary sample({.seed = options.seed});
                     const SampleLibrary other({.seed = options.seed + 1'000'000});
                     const Originals originals(directory);
                     InChild([&] { MakeOriginals(sample, other, originals); });
                     std::vector<DamageCase> cases = CaseList(originals, options.seed).Make();
                     Thin(cases, options);
                     runner.Run(cases, [&](const std::string& folder) {
                       return std::make_unique<Worker>(sample, originals, folder);
                     });
                   });
}

}  // namespace
}  // namespace eidetic::corruption

int main(int argc, char** argv) { return eidetic::corruption::Main(argc, argv); }
