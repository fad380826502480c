#include "tests/corruption/corpus_options.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace eidetic::corruption {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kFewestOfKind = 10;

}  // namespace

int RunCorpus(
    int argc, char** argv, const std::string& description,
    const std::function<void(const CorpusOptions&, const std::string& directory, CorpusRunner&)>& run) {
  CorpusOptions options;
  CLI::App app(description +
               "\nExit code 1 when damage was not noticed, an answer was wrong, or a process crashed.");
  app.add_option("--seed", options.seed, "Of the library and of all draws (default: 1)");
  app.add_option("--every", options.every, "Run every n-th case of a kind with many (default: 1, all)")
      ->check(CLI::PositiveNumber);
  app.add_option("--jobs", options.jobs, "Cases at once (default: 1)")->check(CLI::PositiveNumber);
  app.add_option("--kind", options.kind, "Only cases of this kind, a row of the table");
  app.add_option("--json", options.json_file, "Write the table as JSON into this file");
  app.add_option("--directory", options.directory,
                 "Where to work (default: a new folder in the system's temporary one)");
  app.add_flag("--verbose", options.verbose, "Tell each case");
  CLI11_PARSE(app, argc, argv);
  const bool own_directory = options.directory.empty();
  if (own_directory) {
    options.directory = (fs::temp_directory_path() / "corpus_XXXXXX").string();
    if (mkdtemp(options.directory.data()) == nullptr) {
      std::cerr << "no temporary folder\n";
      return 2;
    }
  }
  const absl::Time start = absl::Now();
  CorpusRunner runner({.jobs = options.jobs, .directory = options.directory, .verbose = options.verbose});
  run(options, options.directory, runner);
  runner.PrintTable(std::cout);
  nlohmann::json json = runner.ToJson();
  json["seed"] = options.seed;
  json["every"] = options.every;
  json["seconds"] = absl::ToDoubleSeconds(absl::Now() - start);
  std::cout << "seed " << options.seed << ", every " << options.every << ", "
            << static_cast<int>(json["seconds"].get<double>()) << " s\n";
  if (!options.json_file.empty()) std::ofstream(options.json_file) << json.dump(2) << "\n";
  std::error_code error;
  if (own_directory) fs::remove_all(options.directory, error);
  return runner.passed() ? 0 : 1;
}

void Thin(std::vector<DamageCase>& cases, const CorpusOptions& options) {
  std::map<std::string, uint64_t> counts;
  for (const DamageCase& damage : cases) ++counts[damage.kind];
  std::map<std::string, uint64_t> seen;
  std::vector<DamageCase> kept;
  for (DamageCase& damage : cases) {
    if (!options.kind.empty() && damage.kind != options.kind) continue;
    const uint64_t step = std::max<uint64_t>(1, std::min(options.every, counts[damage.kind] / kFewestOfKind));
    if (seen[damage.kind]++ % step == 0) kept.push_back(std::move(damage));
  }
  cases = std::move(kept);
}

void InChild(const std::function<void()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    work();
    std::_Exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
    std::cerr << "making the sample failed\n";
    std::_Exit(2);
  }
}

}  // namespace eidetic::corruption
