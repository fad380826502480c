#include "tests/corruption/corpus_runner.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <ostream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

namespace eidetic::corruption {
namespace {

using Json = nlohmann::json;

// Differences told in full.
constexpr size_t kMostComplaints = 50;
// Workers that die before their first case.
constexpr int kMostFailedStarts = 3;

std::string OneLine(absl::string_view text) { return absl::StrReplaceAll(text, {{"\n", " "}, {"\t", " "}}); }

// A line of a worker: "begin CASE" or "end CASE VERDICT\tDETAIL".
void Report(int pipe, const std::string& line) {
  const std::string bytes = absl::StrCat(line, "\n");
  if (write(pipe, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) _exit(3);
}

}  // namespace

struct CorpusRunner::Job {
  size_t number = 0;
  std::vector<size_t> cases;  // those to come
  size_t next = 0;            // in `cases`
  pid_t worker = -1;
  int pipe = -1;
  std::string unread;
  bool in_case = false;
  int failed_starts = 0;
  absl::Time since;
};

void CorpusRunner::Run(const std::vector<DamageCase>& cases, const NewWorker& new_worker) {
  for (const DamageCase& damage : cases) RowOf(damage);
  std::vector<Job> jobs(std::min(std::max<size_t>(options_.jobs, 1), std::max<size_t>(cases.size(), 1)));
  for (size_t i = 0; i < jobs.size(); ++i) jobs[i].number = i;
  for (size_t i = 0; i < cases.size(); ++i) jobs[i % jobs.size()].cases.push_back(i);
  for (Job& job : jobs) StartWorker(job, cases, new_worker);
  while (true) {
    std::vector<pollfd> pipes;
    std::vector<Job*> waiting;
    for (Job& job : jobs) {
      if (job.pipe < 0) continue;
      pipes.push_back({.fd = job.pipe, .events = POLLIN, .revents = 0});
      waiting.push_back(&job);
    }
    if (pipes.empty()) return;
    poll(pipes.data(), pipes.size(), 1'000);
    for (size_t i = 0; i < pipes.size(); ++i) {
      Job& job = *waiting[i];
      const bool late = absl::Now() - job.since > options_.patience;
      if (late) kill(job.worker, SIGKILL);
      if (!late && pipes[i].revents == 0) continue;
      if (!late && ReadFrom(job, cases)) continue;
      // The worker is gone: done, or dead in the midst of a case.
      close(job.pipe);
      job.pipe = -1;
      int status = 0;
      waitpid(job.worker, &status, 0);
      if (job.next >= job.cases.size()) continue;
      const std::string how = late                  ? "hangs"
                              : WIFSIGNALED(status) ? absl::StrCat("signal ", WTERMSIG(status))
                                                    : absl::StrCat("exit code ", WEXITSTATUS(status));
      if (job.in_case) {
        NoteCrash(cases[job.cases[job.next++]], how);
      } else if (++job.failed_starts >= kMostFailedStarts) {
        complaints_.push_back(absl::StrCat("worker ", job.number, " does not start: ", how));
        continue;
      }
      if (job.next < job.cases.size()) StartWorker(job, cases, new_worker);
    }
  }
}

void CorpusRunner::StartWorker(Job& job, const std::vector<DamageCase>& cases, const NewWorker& new_worker) {
  job.in_case = false;
  job.unread.clear();
  job.since = absl::Now();
  int pipes[2];
  if (pipe(pipes) != 0) {
    complaints_.push_back(absl::StrCat("making a pipe: ", std::strerror(errno)));
    return;
  }
  job.worker = fork();
  if (job.worker == 0) {
    close(pipes[0]);
    const std::string folder = absl::StrCat(options_.directory, "/worker-", job.number);
    std::error_code error;
    std::filesystem::remove_all(folder, error);
    std::filesystem::create_directories(folder, error);
    {
      const std::unique_ptr<CorpusWorker> worker = new_worker(folder);
      for (size_t i = job.next; i < job.cases.size(); ++i) {
        const DamageCase& damage = cases[job.cases[i]];
        Report(pipes[1], absl::StrCat("begin ", i));
        const CaseResult result = worker->RunCase(damage);
        Report(pipes[1],
               absl::StrCat("end ", i, " ", static_cast<int>(result.verdict), "\t", OneLine(result.detail)));
      }
    }
    _exit(0);
  }
  close(pipes[1]);
  job.pipe = pipes[0];
}

// False at the end of the pipe.
bool CorpusRunner::ReadFrom(Job& job, const std::vector<DamageCase>& cases) {
  char buffer[8192];
  const ssize_t got = read(job.pipe, buffer, sizeof(buffer));
  if (got <= 0) return false;
  job.since = absl::Now();
  job.unread.append(buffer, static_cast<size_t>(got));
  for (size_t end = 0; (end = job.unread.find('\n')) != std::string::npos;) {
    const std::string line = job.unread.substr(0, end);
    job.unread.erase(0, end + 1);
    const std::vector<std::string> halves = absl::StrSplit(line, absl::MaxSplits('\t', 1));
    const std::vector<std::string> words = absl::StrSplit(halves.front(), ' ');
    if (words.front() == "begin") {
      job.in_case = true;
      continue;
    }
    int verdict = 0;
    if (words.size() != 3 || !absl::SimpleAtoi(words[2], &verdict)) continue;
    job.in_case = false;
    Note(cases[job.cases[job.next++]],
         {static_cast<Verdict>(verdict), halves.size() > 1 ? halves[1] : std::string()});
  }
  return true;
}

void CorpusRunner::Note(const DamageCase& damage, const CaseResult& result) {
  Row& row = RowOf(damage);
  ++row.count;
  bool expected = false;
  switch (result.verdict) {
    case Verdict::kDetected:
      ++row.detected;
      if (row.example.empty()) row.example = result.detail;
      // Told of, though nothing that matters was lost: right, if over-careful.
      expected = true;
      break;
    case Verdict::kHarmless:
      ++row.harmless;
      expected = damage.expectation != Expectation::kDetected;
      break;
    case Verdict::kOlder:
      ++row.older;
      expected = damage.expectation == Expectation::kUnprovable;
      break;
    case Verdict::kWrong:
      ++row.wrong;
      break;
  }
  if (options_.verbose) {
    constexpr const char* kNames[] = {"detected", "harmless", "older", "WRONG"};
    std::cout << damage.kind << ", " << damage.description << ": " << kNames[static_cast<int>(result.verdict)]
              << ": " << result.detail << std::endl;
  }
  if (expected) return;
  complaints_.push_back(
      absl::StrCat(damage.kind, ", ", damage.description, ": ",
                   result.verdict == Verdict::kWrong ? "wrong: " : "not detected: ", result.detail));
  std::cerr << complaints_.back() << std::endl;
}

void CorpusRunner::NoteCrash(const DamageCase& damage, const std::string& how) {
  Row& row = RowOf(damage);
  ++row.count;
  ++row.crashed;
  complaints_.push_back(absl::StrCat(damage.kind, ", ", damage.description, ": the process crashed: ", how));
  std::cerr << complaints_.back() << std::endl;
}

CorpusRunner::Row& CorpusRunner::RowOf(const DamageCase& damage) {
  const auto found =
      std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) { return row.kind == damage.kind; });
  if (found != rows_.end()) return *found;
  rows_.push_back({.kind = damage.kind, .example = {}});
  return rows_.back();
}

CorpusRunner::Row CorpusRunner::Total() const {
  Row total{.kind = "all", .example = {}};
  for (const Row& row : rows_) {
    total.count += row.count;
    total.detected += row.detected;
    total.harmless += row.harmless;
    total.older += row.older;
    total.crashed += row.crashed;
    total.wrong += row.wrong;
  }
  return total;
}

void CorpusRunner::PrintTable(std::ostream& out) const {
  size_t width = 4;
  for (const Row& row : rows_) width = std::max(width, row.kind.size());
  const auto print = [&](const Row& row) {
    out << absl::StrFormat("%-*s %6d %9d %9d %7d %8d %14d\n", static_cast<int>(width), row.kind, row.count,
                           row.detected, row.harmless, row.older, row.crashed, row.wrong);
  };
  out << absl::StrFormat("%-*s %6s %9s %9s %7s %8s %14s\n", static_cast<int>(width), "kind", "count",
                         "detected", "harmless", "older", "crashed", "wrong answers");
  for (const Row& row : rows_) print(row);
  print(Total());
  for (size_t i = 0; i < std::min(complaints_.size(), kMostComplaints); ++i) out << complaints_[i] << "\n";
}

Json CorpusRunner::ToJson() const {
  const auto to_json = [](const Row& row) {
    return Json{{"kind", row.kind},          {"count", row.count}, {"detected", row.detected},
                {"harmless", row.harmless},  {"older", row.older}, {"crashed", row.crashed},
                {"wrong_answers", row.wrong}};
  };
  Json json = to_json(Total());
  json["kinds"] = Json::array();
  for (const Row& row : rows_) {
    json["kinds"].push_back(to_json(row));
    json["kinds"].back()["example"] = row.example;
  }
  json["complaints"] = complaints_;
  return json;
}

}  // namespace eidetic::corruption
