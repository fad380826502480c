// Damages the database of a library in every way that we know of, as it is after
// an orderly close and as it is after a kill, and looks what comes of it
// (docs/testing.md): the damage is reported, when opening, reading or verifying,
// and nothing that is answered without an error is wrong.

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/corruption/corpus_options.h"
#include "tests/corruption/corpus_runner.h"
#include "tests/corruption/damage.h"
#include "tests/corruption/sample_library.h"

namespace eidetic::corruption {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kStep = 64 << 10;
constexpr uint64_t kChanges = 1'600;
// The database is opened anew at these: each time the log becomes tables.
constexpr uint64_t kSessions[] = {500, 900, 1'200};
// Changes of the last session that a kill finds promised by the seal; what comes
// after them cannot be told from a write under way.
constexpr uint64_t kPromised = 1'560;

// `closed` and `killed`: libraries at the last change; `older`: closed before the
// last session.
struct Originals {
  explicit Originals(const std::string& directory)
      : closed(directory + "/closed"), killed(directory + "/killed"), older(directory + "/older") {}
  std::string closed;
  std::string killed;
  std::string older;
};

void MakeOriginals(const SampleLibrary& sample, const Originals& originals) {
  uint64_t done = 0;
  for (const uint64_t until : kSessions) {
    const auto library = sample.Make(originals.closed);
    sample.Write(*library, done, until);
    done = until;
  }
  CopyFolder(originals.closed, originals.older);
  const auto library = sample.Make(originals.closed);
  sample.Write(*library, done, kPromised - 1, 3);
  // The seal is renewed with the first write after some time.
  absl::SleepFor(absl::Seconds(3));
  sample.Write(*library, kPromised - 1, kPromised);
  sample.Write(*library, kPromised, kChanges, 3);
  CopyFolder(originals.closed, originals.killed);
}

class Worker final : public CorpusWorker {
 public:
  Worker(const SampleLibrary& sample, const std::string& folder) : sample_(sample), folder_(folder) {
    DropRootsReading();
  }

  CaseResult RunCase(const DamageCase& damage) override {
    const std::string directory = folder_ + "/library";
    fs::remove_all(directory);
    // Also makes the copy.
    damage.damage(directory);
    return Look(directory);
  }

 private:
  CaseResult Look(const std::string& directory) const {
    const auto library = storage::Library::Open(directory, {.holder_command = "corpus"});
    if (!library.ok()) {
      const std::string message = library.status().ToString();
      // Whoever reads it must know what to do.
      const bool advises = absl::StrContains(message, "verify") || absl::StrContains(message, "backup") ||
                           absl::IsPermissionDenied(library.status());
      return {advises ? Verdict::kDetected : Verdict::kWrong, absl::StrCat("opening: ", message)};
    }
    absl::Status error;
    if (std::string wrong = sample_.CompareRecords(**library, error); !wrong.empty()) {
      return {Verdict::kWrong, wrong};
    }
    const auto engine = searcher::SearchEngine::Open(library->get(), {.follow_changes = false});
    if (engine.ok()) {
      if (std::string wrong = sample_.CompareSearches(**library, **engine); !wrong.empty()) {
        // An error that names damage is an honest answer.
        if (!absl::StrContains(wrong, "DATA_LOSS")) return {Verdict::kWrong, wrong};
        error = absl::DataLossError(wrong);
      }
    } else {
      error = engine.status();
    }
    std::string faults;
    const absl::Status verified = (*library)->VerifyAll(
        [&faults](const storage::Fault& fault) {
          if (faults.empty()) faults = absl::StrCat(fault.place, " ", fault.key, ": ", fault.message);
        },
        [](uint64_t, uint64_t) { return true; });
    if (!error.ok() && faults.empty() && verified.ok()) {
      return {Verdict::kWrong, absl::StrCat("verify finds nothing, but: ", error.ToString())};
    }
    if (!error.ok()) return {Verdict::kDetected, absl::StrCat("reading: ", error.ToString())};
    if (!verified.ok()) return {Verdict::kDetected, absl::StrCat("verifying: ", verified.ToString())};
    if (!faults.empty()) return {Verdict::kDetected, absl::StrCat("verifying: ", faults)};
    const uint64_t reached = (*library)->last_sequence();
    if (reached == kChanges) return {Verdict::kHarmless, "as it was"};
    if (reached >= kPromised) return {Verdict::kOlder, absl::StrCat("at change ", reached)};
    return {Verdict::kWrong, absl::StrCat("changes after ", reached, " are lost, and nobody says so")};
  }

  const SampleLibrary& sample_;
  const std::string folder_;
};

// What a file of the database is for.
enum class FileType { kTable, kLog, kManifest, kCurrent, kSeal, kOther };

const char* TypeName(FileType type) {
  constexpr const char* kNames[] = {"table", "log", "manifest", "CURRENT", "SEAL", "OPTIONS and IDENTITY"};
  return kNames[static_cast<int>(type)];
}

class CaseList {
 public:
  CaseList(const Originals& originals, uint64_t seed) : originals_(originals), random_(seed) {}

  std::vector<DamageCase> Make() {
    for (const bool killed : {false, true}) {
      killed_ = killed;
      from_ = killed ? originals_.killed : originals_.closed;
      FindFiles();
      for (const auto& [type, files] : files_) {
        AddTruncations(type, files);
        AddBytes(type, files);
        AddReplacements(type, files);
      }
      AddSwaps();
      AddOlder();
    }
    return std::move(cases_);
  }

 private:
  using Damage = std::function<void(const std::string& directory)>;

  void FindFiles() {
    files_.clear();
    files_[FileType::kSeal] = {"SEAL"};
    for (const auto& entry : fs::directory_iterator(from_ + "/rocksdb")) {
      const std::string name = entry.path().filename();
      if (entry.file_size() == 0 || absl::StartsWith(name, "LOG")) continue;
      const FileType type = absl::EndsWith(name, ".sst")         ? FileType::kTable
                            : absl::EndsWith(name, ".log")       ? FileType::kLog
                            : absl::StartsWith(name, "MANIFEST") ? FileType::kManifest
                            : name == "CURRENT"                  ? FileType::kCurrent
                                                                 : FileType::kOther;
      files_[type].push_back("rocksdb/" + name);
    }
    for (auto& [type, files] : files_) std::sort(files.begin(), files.end());
  }

  void Add(FileType type, const std::string& how, const std::string& description, Expectation expectation,
           const Damage& damage) {
    cases_.push_back({absl::StrCat(killed_ ? "killed: " : "closed: ", TypeName(type), ", ", how), description,
                      expectation, [from = from_, damage](const std::string& directory) {
                        CopyFolder(from, directory);
                        damage(directory);
                      }});
  }

  uint64_t Size(const std::string& file) const { return fs::file_size(from_ + "/" + file); }
  const std::string& Any(const std::vector<std::string>& files) { return files[random_() % files.size()]; }

  // Bytes changed or lost in a file of that type.
  Expectation ExpectationOf(FileType type) const {
    switch (type) {
      case FileType::kLog:
        return killed_ ? Expectation::kUnprovable : Expectation::kDetected;
      // A table may be one that a merge has replaced.
      case FileType::kTable:
      case FileType::kOther:
        return Expectation::kHarmless;
      default:
        return Expectation::kDetected;
    }
  }

  void AddTruncations(FileType type, const std::vector<std::string>& files) {
    const auto add = [&](const char* how, const std::string& file, uint64_t size) {
      Add(type, how, absl::StrCat(file, " to ", size), ExpectationOf(type),
          [file, size](const std::string& directory) { Truncate(directory + "/" + file, size); });
    };
    for (const std::string& file : files) {
      for (uint64_t size = 0; size < Size(file); size += kStep) add("cut at a 64 KB step", file, size);
    }
    for (int i = 0; i < 60; ++i) {
      const std::string file = Any(files);
      add("cut at random", file, random_() % Size(file));
    }
  }

  void AddBytes(FileType type, const std::vector<std::string>& files) {
    for (int i = 0; i < 40; ++i) {
      const std::string file = Any(files);
      const uint64_t from = random_() % Size(file);
      Add(type, "zeroed suffix", absl::StrCat(file, " from ", from), ExpectationOf(type),
          [file, from](const std::string& directory) { Zero(directory + "/" + file, from); });
    }
    for (int i = 0; i < 40; ++i) {
      const std::string file = Any(files);
      const uint64_t from = random_() % Size(file) / 512 * 512;
      const uint64_t to = std::min(from + 512, Size(file));
      Add(type, "zeroed sector", absl::StrCat(file, " at ", from), ExpectationOf(type),
          [file, from, to](const std::string& directory) { Zero(directory + "/" + file, from, to); });
    }
    const int flips = type == FileType::kTable || type == FileType::kLog ? 400 : 100;
    for (int i = 0; i < flips; ++i) {
      const std::string file = Any(files);
      const uint64_t bit = random_() % (8 * Size(file));
      Add(type, "bit flip", absl::StrCat(file, " bit ", bit), ExpectationOf(type),
          [file, bit](const std::string& directory) { FlipBit(directory + "/" + file, bit); });
    }
  }

  void AddReplacements(FileType type, const std::vector<std::string>& files) {
    for (const Replacement replacement : kReplacements) {
      for (size_t i = 0; i < std::min<size_t>(files.size(), 4); ++i) {
        const std::string file = Any(files);
        Expectation expectation = ExpectationOf(type);
        if (replacement == Replacement::kLinkElsewhere && type != FileType::kSeal) {
          expectation = Expectation::kHarmless;
        }
        // Without its seal a library is taken as after a kill.
        if (replacement == Replacement::kNothing && type == FileType::kSeal) {
          expectation = Expectation::kHarmless;
        }
        Add(type, "replaced", absl::StrCat(file, ", ", ReplacementName(replacement)), expectation,
            [file, replacement](const std::string& directory) {
              Replace(directory + "/" + file, replacement);
            });
      }
    }
  }

  void AddSwaps() {
    const std::vector<FileType> types = {FileType::kTable, FileType::kLog, FileType::kManifest,
                                         FileType::kCurrent};
    for (int i = 0; i < 30; ++i) {
      const FileType type = types[random_() % types.size()];
      const std::string a = Any(files_[type]);
      const std::string b = Any(files_[i % 2 == 0 ? FileType::kTable : types[random_() % types.size()]]);
      if (a == b) continue;
      Add(type, "swapped with another file", absl::StrCat(a, " and ", b),
          type == FileType::kTable            ? Expectation::kHarmless
          : killed_ && type == FileType::kLog ? Expectation::kUnprovable
                                              : Expectation::kDetected,
          [a, b](const std::string& directory) { Swap(directory + "/" + a, directory + "/" + b); });
    }
  }

  // Files of before the last session.
  void AddOlder() {
    const std::string older = originals_.older;
    Add(FileType::kManifest, "of an older time", "whole database", Expectation::kDetected,
        [older](const std::string& directory) {
          fs::remove_all(directory + "/rocksdb");
          CopyFolder(older + "/rocksdb", directory + "/rocksdb");
        });
    Add(FileType::kManifest, "of an older time", "with all files of now", Expectation::kDetected,
        [older](const std::string& directory) {
          for (const auto& entry : fs::directory_iterator(older + "/rocksdb")) {
            const std::string name = entry.path().filename();
            if (name != "CURRENT" && !absl::StartsWith(name, "MANIFEST")) continue;
            WriteBytes(directory + "/rocksdb/" + name, ReadBytes(entry.path()));
          }
        });
    Add(FileType::kOther, "of an older time", "stray tables and logs", Expectation::kHarmless,
        [older](const std::string& directory) {
          for (const auto& entry : fs::directory_iterator(older + "/rocksdb")) {
            const std::string to = directory + "/rocksdb/" + entry.path().filename().string();
            if (!fs::exists(to)) WriteBytes(to, ReadBytes(entry.path()));
          }
        });
    for (const char* name : {"000999.sst", "stray.dbtmp", "notes.txt"}) {
      Add(FileType::kOther, "stray file", name, Expectation::kHarmless,
          [name](const std::string& directory) { WriteBytes(directory + "/rocksdb/" + name, "stray"); });
    }
  }

  const Originals& originals_;
  std::mt19937_64 random_;
  bool killed_ = false;
  std::string from_;
  std::map<FileType, std::vector<std::string>> files_;
  std::vector<DamageCase> cases_;
};

int Main(int argc, char** argv) {
  return RunCorpus(argc, argv, "Damages the database of a library and looks what comes of it.",
                   [](const CorpusOptions& options, const std::string& directory, CorpusRunner& runner) {
                     const SampleLibrary sample({.seed = options.seed, .changes = kChanges, .dimension = 64});
                     const Originals originals(directory);
                     InChild([&] { MakeOriginals(sample, originals); });
                     std::vector<DamageCase> cases = CaseList(originals, options.seed).Make();
                     Thin(cases, options);
                     runner.Run(cases, [&](const std::string& folder) {
                       return std::make_unique<Worker>(sample, folder);
                     });
                   });
}

}  // namespace
}  // namespace eidetic::corruption

int main(int argc, char** argv) { return eidetic::corruption::Main(argc, argv); }
