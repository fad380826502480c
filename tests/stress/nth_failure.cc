// Lets each file operation of a fixed script fail once, one run for each, and
// counts what became of it (docs/testing.md).

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tests/stress/failure_script.h"

namespace eidetic::stress {
namespace {

namespace fs = std::filesystem;
using fault_injection::DiskOperation;
using fault_injection::Fault;
using fault_injection::FaultEffect;
using Json = nlohmann::json;

constexpr absl::Duration kPatience = absl::Seconds(120);

// Assertions of RocksDB 7.8 that an error of the disk runs into and that nothing
// outside of it can prevent (docs/testing.md).
constexpr std::array<const char*, 0> kKnownAborts = {};

struct Kind {
  const char* operation_name;
  DiskOperation operation;
  const char* effect_name;
  FaultEffect effect;
  bool lasting;
};

constexpr Kind kKinds[] = {
    {"open", DiskOperation::kOpen, "error", FaultEffect::kError, false},
    {"read", DiskOperation::kRead, "error", FaultEffect::kError, false},
    {"read", DiskOperation::kRead, "short", FaultEffect::kShort, false},
    {"create", DiskOperation::kCreate, "error", FaultEffect::kError, false},
    {"create", DiskOperation::kCreate, "no space", FaultEffect::kNoSpace, false},
    {"write", DiskOperation::kWrite, "error", FaultEffect::kError, false},
    {"write", DiskOperation::kWrite, "short", FaultEffect::kShort, false},
    {"write", DiskOperation::kWrite, "no space", FaultEffect::kNoSpace, false},
    {"write", DiskOperation::kWrite, "full from", FaultEffect::kNoSpace, true},
    {"sync", DiskOperation::kSync, "error", FaultEffect::kError, false},
    {"sync", DiskOperation::kSync, "no space", FaultEffect::kNoSpace, false},
    {"sync", DiskOperation::kSync, "full from", FaultEffect::kNoSpace, true},
    {"rename", DiskOperation::kRename, "error", FaultEffect::kError, false},
    {"rename", DiskOperation::kRename, "no space", FaultEffect::kNoSpace, false},
    {"delete", DiskOperation::kDelete, "error", FaultEffect::kError, false},
    {"sync directory", DiskOperation::kSyncDirectory, "error", FaultEffect::kError, false},
    {"sync directory", DiskOperation::kSyncDirectory, "no space", FaultEffect::kNoSpace, false},
};

struct Options {
  uint64_t every = 1;
  uint64_t first = 1;
  size_t jobs = 1;
  std::string only;
  std::string directory;
  std::string json_file;
};

struct Row {
  uint64_t points = 0;
  uint64_t failed = 0;
  uint64_t in_doubt = 0;
  uint64_t known_aborts = 0;
  uint64_t crashes = 0;
  uint64_t wrong = 0;
};

struct Totals {
  std::array<Row, std::size(kKinds)> rows;
  std::map<std::string, uint64_t> aborts;
  std::vector<std::string> complaints;
};

struct ChildResult {
  bool done = false;
  bool hit = false;
  uint64_t failed = 0;
  uint64_t in_doubt = 0;
  std::vector<std::string> complaints;
  std::string death;  // empty: it ended by itself
  std::string last_words;
};

// What RocksDB's assertion or a sanitizer wrote last.
std::string LastWords(const std::string& path) {
  std::ifstream file(path);
  std::string words;
  for (std::string line; std::getline(file, line);) {
    if (words.empty() || absl::StrContains(line, "Assertion") || absl::StrContains(line, "ERROR:"))
      words = line;
  }
  return words.substr(0, 400);
}

ChildResult RunChild(FailureScriptOptions options) {
  ChildResult result;
  int report[2];
  const std::string errors = options.directory + "/stderr";
  if (pipe(report) != 0) return {.death = "no pipe"};
  const pid_t child = fork();
  if (child < 0) return {.death = "no child"};
  if (child == 0) {
    close(report[0]);
    if (freopen(errors.c_str(), "w", stderr) == nullptr) _exit(4);
    alarm(static_cast<unsigned>(absl::ToInt64Seconds(kPatience)));
    options.report = report[1];
    RunFailureScript(options);
  }
  close(report[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(report[0], buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(got));
  }
  close(report[0]);
  int status = 0;
  waitpid(child, &status, 0);
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    uint64_t hits = 0;
    if (fields.size() == 4 && fields[0] == "done" && absl::SimpleAtoi(fields[1], &hits) &&
        absl::SimpleAtoi(fields[2], &result.failed) && absl::SimpleAtoi(fields[3], &result.in_doubt)) {
      result.done = true;
      result.hit = hits > 0;
    } else {
      absl::ConsumePrefix(&line, "complaint ");
      result.complaints.emplace_back(line);
    }
  }
  if (WIFSIGNALED(status)) {
    result.death = WTERMSIG(status) == SIGALRM ? "hangs" : absl::StrCat("died of signal ", WTERMSIG(status));
  } else if (WEXITSTATUS(status) != 0 || (!result.done && result.complaints.empty())) {
    result.death = absl::StrCat("ended by itself with ", WEXITSTATUS(status));
  }
  if (!result.death.empty()) result.last_words = LastWords(errors);
  return result;
}

bool IsKnownAbort(const std::string& words) {
  for (const char* known : kKnownAborts) {
    if (absl::StrContains(words, known)) return true;
  }
  return false;
}

// One run of the script. False: the fault was not met, so none follows.
bool RunPoint(const Options& options, size_t kind_number, uint64_t nth, Totals& totals) {
  const Kind& kind = kKinds[kind_number];
  Row& row = totals.rows[kind_number];
  const std::string name = absl::StrCat(kind.operation_name, " ", nth, " (", kind.effect_name, ")");
  FailureScriptOptions script{
      .directory = absl::StrReplaceAll(absl::StrCat(options.directory, "/", name), {{" ", "-"}}),
      .fault = Fault{.operation = kind.operation, .nth = nth, .effect = kind.effect, .lasting = kind.lasting},
      .lose_power = nth % 2 == 0};
  std::error_code error;
  fs::remove_all(script.directory, error);
  fs::create_directories(script.directory, error);
  ChildResult result = RunChild(script);
  if (result.done && !result.hit) {
    fs::remove_all(script.directory, error);
    return false;
  }
  row.points += 1;
  row.failed += result.failed;
  row.in_doubt += result.in_doubt;
  const auto complain = [&](const std::string& text) {
    totals.complaints.push_back(absl::StrCat(name, " (", script.directory, " is kept): ", text));
    std::cerr << totals.complaints.back() << "\n";
  };
  bool sound = true;
  if (!result.death.empty()) {
    const bool known = IsKnownAbort(result.last_words);
    (known ? row.known_aborts : row.crashes) += 1;
    totals.aborts[result.last_words] += 1;
    if (!known) complain(absl::StrCat("the process ", result.death, ": ", result.last_words));
    sound = known;
    // Whatever it died of, nothing may be lost.
    script.fault.reset();
    const ChildResult after = RunChild(script);
    if (!after.done) result.complaints.push_back(absl::StrCat("after that it ", after.death));
    result.complaints.insert(result.complaints.end(), after.complaints.begin(), after.complaints.end());
  }
  if (!result.complaints.empty()) row.wrong += 1;
  for (const std::string& complaint : result.complaints) complain(complaint);
  if (sound && result.complaints.empty()) fs::remove_all(script.directory, error);
  return true;
}

// Job J of N takes the J-th of N points, the (N + J)-th, …
Totals RunJob(const Options& options, size_t job) {
  Totals totals;
  for (size_t kind = 0; kind < std::size(kKinds); ++kind) {
    if (!options.only.empty() && options.only != kKinds[kind].operation_name) continue;
    uint64_t nth = options.first + job * options.every;
    while (RunPoint(options, kind, nth, totals)) nth += options.every * options.jobs;
  }
  return totals;
}

Json ToJson(const Totals& totals) {
  Json rows = Json::array();
  for (size_t i = 0; i < totals.rows.size(); ++i) {
    const Row& row = totals.rows[i];
    rows.push_back({{"operation", kKinds[i].operation_name},
                    {"effect", kKinds[i].effect_name},
                    {"points", row.points},
                    {"failed_changes", row.failed},
                    {"in_doubt", row.in_doubt},
                    {"known_aborts", row.known_aborts},
                    {"crashes", row.crashes},
                    {"wrong", row.wrong}});
  }
  return {{"rows", rows}, {"aborts", totals.aborts}, {"complaints", totals.complaints}};
}

void Add(const Json& json, Totals& totals) {
  for (size_t i = 0; i < totals.rows.size(); ++i) {
    const Json& from = json["rows"][i];
    Row& row = totals.rows[i];
    row.points += from["points"].get<uint64_t>();
    row.failed += from["failed_changes"].get<uint64_t>();
    row.in_doubt += from["in_doubt"].get<uint64_t>();
    row.known_aborts += from["known_aborts"].get<uint64_t>();
    row.crashes += from["crashes"].get<uint64_t>();
    row.wrong += from["wrong"].get<uint64_t>();
  }
  for (const auto& [words, count] : json["aborts"].items()) totals.aborts[words] += count.get<uint64_t>();
  for (const Json& complaint : json["complaints"]) totals.complaints.push_back(complaint.get<std::string>());
}

Totals RunJobs(const Options& options) {
  std::vector<pid_t> children;
  const auto file_of = [&](size_t job) { return absl::StrCat(options.directory, "/job-", job, ".json"); };
  for (size_t job = 0; job < options.jobs; ++job) {
    const pid_t child = fork();
    if (child == 0) {
      const Json result = ToJson(RunJob(options, job));
      std::ofstream(file_of(job)) << result;
      _exit(0);
    }
    children.push_back(child);
  }
  Totals totals;
  for (size_t job = 0; job < options.jobs; ++job) {
    int status = 0;
    if (children[job] > 0) waitpid(children[job], &status, 0);
    std::ifstream file(file_of(job));
    const Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
    if (json.is_object()) {
      Add(json, totals);
    } else {
      totals.complaints.push_back(absl::StrCat("job ", job, " ended without a result"));
      std::cerr << totals.complaints.back() << "\n";
    }
  }
  return totals;
}

void Print(const Totals& totals, absl::Duration taken) {
  constexpr auto kFormat = "%-15s %-10s %7s %7s %8s %7s %8s %6s\n";
  std::cout << absl::StreamFormat(kFormat, "operation", "effect", "points", "failed", "in doubt", "aborts",
                                  "crashes", "wrong");
  Row sum;
  for (size_t i = 0; i < totals.rows.size(); ++i) {
    const Row& row = totals.rows[i];
    std::cout << absl::StreamFormat(kFormat, kKinds[i].operation_name, kKinds[i].effect_name,
                                    absl::StrCat(row.points), absl::StrCat(row.failed),
                                    absl::StrCat(row.in_doubt), absl::StrCat(row.known_aborts),
                                    absl::StrCat(row.crashes), absl::StrCat(row.wrong));
    sum.points += row.points;
    sum.failed += row.failed;
    sum.in_doubt += row.in_doubt;
    sum.known_aborts += row.known_aborts;
    sum.crashes += row.crashes;
    sum.wrong += row.wrong;
  }
  std::cout << absl::StreamFormat(kFormat, "all", "", absl::StrCat(sum.points), absl::StrCat(sum.failed),
                                  absl::StrCat(sum.in_doubt), absl::StrCat(sum.known_aborts),
                                  absl::StrCat(sum.crashes), absl::StrCat(sum.wrong));
  for (const auto& [words, count] : totals.aborts) std::cout << count << " times: " << words << "\n";
  std::cout << totals.complaints.size() << " complaints; " << absl::ToInt64Seconds(taken) << " s\n";
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Runs a fixed script on a library once for each file operation, which fails in that run: with an\n"
      "error, half done, or without space. Every second time the power fails afterwards. No run may end\n"
      "the process, lose what was acknowledged or give a wrong search. Exit code 1 when one did.");
  app.add_option("--every", options.every, "Only every N-th operation (default: 1, all of them)")
      ->check(CLI::PositiveNumber);
  app.add_option("--first", options.first, "Number of the first operation (default: 1)")
      ->check(CLI::PositiveNumber);
  app.add_option("--operation", options.only, "Only this row of the table, for example \"sync directory\"");
  app.add_option("--jobs", options.jobs, "Runs at once (default: 1)")->check(CLI::PositiveNumber);
  app.add_option("--directory", options.directory,
                 "Where to work (default: a new folder in the system's temporary one)");
  app.add_option("--json", options.json_file, "Write the table as JSON into this file");
  CLI11_PARSE(app, argc, argv);
  const bool own_directory = options.directory.empty();
  if (own_directory) {
    options.directory = (fs::temp_directory_path() / "nth_failure_XXXXXX").string();
    if (mkdtemp(options.directory.data()) == nullptr) {
      std::cerr << "making " << options.directory << ": " << std::strerror(errno) << "\n";
      return 2;
    }
  }
  std::error_code error;
  fs::create_directories(options.directory, error);
  const absl::Time start = absl::Now();
  const Totals totals = RunJobs(options);
  Print(totals, absl::Now() - start);
  if (!options.json_file.empty()) std::ofstream(options.json_file) << ToJson(totals).dump(2) << "\n";
  if (own_directory && totals.complaints.empty()) fs::remove_all(options.directory, error);
  return totals.complaints.empty() ? 0 : 1;
}

}  // namespace
}  // namespace eidetic::stress

int main(int argc, char** argv) { return eidetic::stress::Main(argc, argv); }
