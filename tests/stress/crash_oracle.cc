// Kills a process that works on a library, or takes its power, again and again,
// and compares what is left with what was acknowledged (docs/testing.md).

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tests/stress/crash_cycle.h"

namespace eidetic::stress {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

enum class Mode { kKill, kPowerLoss, kBoth };

struct Options {
  uint64_t seed = 1;
  double seconds = 0;
  uint64_t crash_points = 0;
  uint64_t points_of_library = 20;
  Mode mode = Mode::kBoth;
  size_t jobs = 1;
  size_t writers = 2;
  size_t readers = 1;
  bool disk_lies = false;
  bool disk_faults = false;
  std::string directory;
  std::string json_file;
};

struct Totals {
  uint64_t kills = 0;
  uint64_t power_losses = 0;
  uint64_t checks = 0;
  uint64_t acknowledged = 0;
  uint64_t pending_there = 0;
  uint64_t pending_absent = 0;
  std::vector<uint64_t> seeds;
  std::vector<std::string> complaints;
};

// A process is killed this long after its comparison, or now and then this long
// after its start: opening is a moment too.
constexpr int kLongestWorkMillis = 60;
constexpr int kLongestOpeningMillis = 120;
// A child that hangs is a finding.
constexpr absl::Duration kPatience = absl::Seconds(120);

Json ToJson(const Totals& totals) {
  return {{"crash_points", totals.kills + totals.power_losses},
          {"kills", totals.kills},
          {"power_losses", totals.power_losses},
          {"comparisons", totals.checks},
          {"acknowledged_commits", totals.acknowledged},
          {"unacknowledged_there", totals.pending_there},
          {"unacknowledged_absent", totals.pending_absent},
          {"losses", totals.complaints.size()},
          {"complaints", totals.complaints},
          {"seeds", totals.seeds}};
}

void Add(const Json& json, Totals& totals) {
  totals.kills += json["kills"].get<uint64_t>();
  totals.power_losses += json["power_losses"].get<uint64_t>();
  totals.checks += json["comparisons"].get<uint64_t>();
  totals.acknowledged += json["acknowledged_commits"].get<uint64_t>();
  totals.pending_there += json["unacknowledged_there"].get<uint64_t>();
  totals.pending_absent += json["unacknowledged_absent"].get<uint64_t>();
  for (const Json& seed : json["seeds"]) totals.seeds.push_back(seed.get<uint64_t>());
  for (const Json& complaint : json["complaints"]) totals.complaints.push_back(complaint.get<std::string>());
}

// The life of one library: created, crashed upon many times, compared each time.
class LibraryRun {
 public:
  LibraryRun(const Options& options, uint64_t seed, Totals& totals)
      : options_(options),
        seed_(seed),
        totals_(totals),
        random_(seed),
        directory_(absl::StrCat(options.directory, "/seed-", seed)) {}

  void Run() {
    totals_.seeds.push_back(seed_);
    std::error_code error;
    fs::remove_all(directory_, error);
    fs::create_directories(directory_, error);
    if (error) return Complain(absl::StrCat("making ", directory_, ": ", error.message()));
    for (point_ = 0; point_ < options_.points_of_library && !failed_; ++point_) {
      const bool kill = options_.mode == Mode::kKill || (options_.mode == Mode::kBoth && random_() % 2 == 0);
      RunOne(kill ? Crash::kKill : Crash::kPowerLoss);
      (kill ? totals_.kills : totals_.power_losses) += 1;
    }
    if (!failed_) RunOne(Crash::kNone);
    if (!failed_) fs::remove_all(directory_, error);
  }

 private:
  void RunOne(Crash crash) {
    CycleOptions cycle{.directory = directory_,
                       .seed = random_(),
                       .writers = options_.writers,
                       .readers = options_.readers,
                       .crash = crash,
                       .disk_lies = options_.disk_lies,
                       .disk_faults = options_.disk_faults};
    const bool in_opening = random_() % 5 == 0;
    const auto moment = static_cast<useconds_t>(
        1000 * (random_() % (in_opening ? kLongestOpeningMillis : kLongestWorkMillis)));
    int report[2];
    if (pipe(report) != 0) return Complain(absl::StrCat("making a pipe: ", std::strerror(errno)));
    const pid_t child = fork();
    if (child < 0) return Complain(absl::StrCat("making a child: ", std::strerror(errno)));
    if (child == 0) {
      close(report[0]);
      cycle.report = report[1];
      RunCycle(cycle);
    }
    close(report[1]);
    if (crash == Crash::kKill) {
      pollfd compared{.fd = report[0], .events = POLLIN, .revents = 0};
      if (!in_opening) poll(&compared, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience)));
      usleep(moment);
      kill(child, SIGKILL);
    }
    const int status = Wait(child);
    ReadReport(report[0]);
    close(report[0]);
    const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (crash == Crash::kKill ? killed : WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    // A child that complained ends by itself.
    if (failed_) return;
    Complain(WIFSIGNALED(status) ? absl::StrCat("the process died of signal ", WTERMSIG(status))
                                 : absl::StrCat("the process ended by itself with ", WEXITSTATUS(status)));
  }

  int Wait(pid_t child) {
    const absl::Time deadline = absl::Now() + kPatience;
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
      if (absl::Now() > deadline) {
        Complain("the process hangs");
        kill(child, SIGABRT);
        waitpid(child, &status, 0);
        break;
      }
      usleep(500);
    }
    return status;
  }

  void ReadReport(int pipe) {
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = read(pipe, buffer, sizeof(buffer))) > 0;) {
      text.append(buffer, static_cast<size_t>(got));
    }
    for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      if (absl::ConsumePrefix(&line, "complaint ")) {
        Complain(std::string(line));
        continue;
      }
      const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
      uint64_t acknowledged = 0;
      uint64_t there = 0;
      uint64_t absent = 0;
      if (fields.size() != 4 || !absl::SimpleAtoi(fields[1], &acknowledged) ||
          !absl::SimpleAtoi(fields[2], &there) || !absl::SimpleAtoi(fields[3], &absent)) {
        Complain(absl::StrCat("not a report: ", line));
        continue;
      }
      totals_.checks += 1;
      totals_.acknowledged += acknowledged;
      totals_.pending_there += there;
      totals_.pending_absent += absent;
    }
  }

  void Complain(const std::string& text) {
    failed_ = true;
    totals_.complaints.push_back(
        absl::StrCat("seed ", seed_, ", crash point ", point_, " (", directory_, " is kept): ", text));
    std::cerr << totals_.complaints.back() << "\n";
  }

  const Options& options_;
  const uint64_t seed_;
  Totals& totals_;
  std::mt19937_64 random_;
  const std::string directory_;
  uint64_t point_ = 0;
  bool failed_ = false;
};

bool IsOver(const Options& options, const Totals& totals, absl::Time start) {
  const uint64_t points = totals.kills + totals.power_losses;
  if (options.crash_points > 0 && points * options.jobs >= options.crash_points) return true;
  return options.seconds > 0 && absl::Now() - start >= absl::Seconds(options.seconds);
}

// Job J of N takes the seeds FIRST + J, FIRST + J + N, …
Totals RunJob(const Options& options, size_t job, absl::Time start) {
  Totals totals;
  for (uint64_t seed = options.seed + job; !IsOver(options, totals, start); seed += options.jobs) {
    LibraryRun(options, seed, totals).Run();
  }
  return totals;
}

std::string JobFile(const Options& options, size_t job) {
  return absl::StrCat(options.directory, "/job-", job, ".json");
}

Totals RunJobs(const Options& options) {
  const absl::Time start = absl::Now();
  if (options.jobs == 1) return RunJob(options, 0, start);
  std::vector<pid_t> children;
  for (size_t job = 0; job < options.jobs; ++job) {
    const pid_t child = fork();
    if (child == 0) {
      std::ofstream(JobFile(options, job)) << ToJson(RunJob(options, job, start));
      _exit(0);
    }
    children.push_back(child);
  }
  Totals totals;
  for (size_t job = 0; job < options.jobs; ++job) {
    int status = 0;
    if (children[job] > 0) waitpid(children[job], &status, 0);
    std::ifstream file(JobFile(options, job));
    const Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
    if (json.is_object()) {
      Add(json, totals);
    } else {
      totals.complaints.push_back(absl::StrCat("job ", job, " ended without a result"));
    }
  }
  return totals;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Works on a library, crashes at random moments, and compares what is left with what was\n"
      "acknowledged. Exit code 1 when anything was lost, half there or wrong.");
  const std::map<std::string, Mode> modes = {
      {"kill", Mode::kKill}, {"power-loss", Mode::kPowerLoss}, {"both", Mode::kBoth}};
  app.add_option("--seed", options.seed, "First seed; each library's life has the next one (default: 1)");
  app.add_option("--seconds", options.seconds, "Begin no further library after this long");
  app.add_option("--crash-points", options.crash_points, "Begin no further library after this many crashes");
  app.add_option("--points-per-library", options.points_of_library, "Crashes of one library (default: 20)")
      ->check(CLI::PositiveNumber);
  app.add_option("--mode", options.mode, "kill (SIGKILL), power-loss (simulated) or both (default)")
      ->transform(CLI::CheckedTransformer(modes));
  app.add_option("--jobs", options.jobs, "Libraries at once (default: 1)")->check(CLI::PositiveNumber);
  app.add_option("--writers", options.writers, "Writing threads (default: 2)")->check(CLI::PositiveNumber);
  app.add_option("--readers", options.readers, "Reading threads (default: 1)");
  app.add_flag("--disk-faults", options.disk_faults,
               "Before some power losses the disk fails in other ways: errors, short writes, no space");
  app.add_flag("--disk-lies", options.disk_lies,
               "The simulated disk forgets what it synced: losses must be found");
  app.add_option("--directory", options.directory,
                 "Where to work (default: a new folder in the system's temporary one)");
  app.add_option("--json", options.json_file, "Write the result as JSON into this file");
  CLI11_PARSE(app, argc, argv);
  if (options.seconds <= 0 && options.crash_points == 0) options.crash_points = 100;
  const bool own_directory = options.directory.empty();
  if (own_directory) {
    options.directory = (fs::temp_directory_path() / "crash_oracle_XXXXXX").string();
    if (mkdtemp(options.directory.data()) == nullptr) {
      std::cerr << "making " << options.directory << ": " << std::strerror(errno) << "\n";
      return 2;
    }
  }
  const absl::Time start = absl::Now();
  Totals totals = RunJobs(options);
  std::sort(totals.seeds.begin(), totals.seeds.end());
  Json json = ToJson(totals);
  json["seconds"] = absl::ToDoubleSeconds(absl::Now() - start);
  if (!options.json_file.empty()) std::ofstream(options.json_file) << json.dump(2) << "\n";
  std::cout << totals.kills + totals.power_losses << " crash points (" << totals.kills << " kills, "
            << totals.power_losses << " power losses), " << totals.acknowledged << " acknowledged commits, "
            << totals.checks << " comparisons, " << totals.pending_there
            << " unacknowledged commits there and " << totals.pending_absent << " not, "
            << totals.complaints.size() << " losses; seeds "
            << (totals.seeds.empty() ? 0 : totals.seeds.front()) << " to "
            << (totals.seeds.empty() ? 0 : totals.seeds.back()) << "; "
            << static_cast<int>(json["seconds"].get<double>()) << " s\n";
  std::error_code error;
  if (own_directory && totals.complaints.empty()) fs::remove_all(options.directory, error);
  return totals.complaints.empty() ? 0 : 1;
}

}  // namespace
}  // namespace eidetic::stress

int main(int argc, char** argv) { return eidetic::stress::Main(argc, argv); }
