#include "tests/stress/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "proto/status_macros.h"
#include "storage/file_system.h"

namespace eidetic::stress {
namespace {

constexpr uint64_t kMaxJournalBytes = uint64_t{1} << 30;

}  // namespace

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const std::string& path, size_t writers) {
  auto journal = std::unique_ptr<Journal>(new Journal(path, writers));
  EIDETIC_RETURN_IF_ERROR(journal->Read());
  journal->file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (journal->file_ < 0) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path));
  return journal;
}

Journal::~Journal() {
  if (file_ >= 0) close(file_);
}

absl::Status Journal::Read() {
  const absl::StatusOr<std::string> text = storage::PosixFileSystem().ReadFile(path_, 0, kMaxJournalBytes);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  EIDETIC_RETURN_IF_ERROR(text.status());
  std::vector<absl::string_view> lines = absl::StrSplit(*text, '\n');
  // After the last line end: nothing, or a line whose writer was killed.
  lines.pop_back();
  for (const absl::string_view line : lines) EIDETIC_RETURN_IF_ERROR(ReadLine(line));
  return absl::OkStatus();
}

absl::Status Journal::ReadLine(absl::string_view line) {
  const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(' ', 2));
  const absl::Status malformed = absl::DataLossError(absl::StrCat("the journal has a bad line: ", line));
  size_t number = 0;
  if (parts.size() < 2 || !absl::SimpleAtoi(parts[1], &number) || number >= writers_.size()) return malformed;
  WriterJournal& writer = writers_[number];
  line_ += 1;
  const absl::string_view rest = parts.size() > 2 ? parts[2] : absl::string_view();
  if (parts[0] == "begin") {
    lines_[number].began = line_;
    for (const absl::string_view text : absl::StrSplit(rest, '|')) {
      const std::optional<Step> step = ParseStep(text);
      if (!step.has_value()) return malformed;
      writer.pending.push_back(*step);
      // Given out, whatever becomes of it.
      uint32_t& last = writer.state.last_version[step->asset];
      last = std::max(last, step->version);
    }
  } else if (parts[0] == "switch" || parts[0] == "active") {
    if (!absl::SimpleAtoi(rest, parts[0] == "switch" ? &switches_.maybe : &switches_.active))
      return malformed;
  } else if (parts[0] == "switched") {
    switches_ = {.active = switches_.maybe, .maybe = 0};
    ForgetDoubts(line_);
  } else if (parts[0] == "switch-refused") {
    switches_.maybe = 0;
  } else if (parts[0] == "switch-in-doubt") {
    // Whatever is acknowledged from now on says that it is not there.
  } else if (parts[0] == "done") {
    switches_.maybe = 0;
    for (const Step& step : writer.pending) ApplyStep(writer.state, step);
    writer.pending.clear();
    writer.acknowledged += 1;
    ForgetDoubts(lines_[number].began);
  } else if (parts[0] == "refused") {
    writer.pending.clear();
  } else if (parts[0] == "in-doubt") {
    writer.in_doubt = std::move(writer.pending);
    writer.pending.clear();
    lines_[number].in_doubt = line_;
  } else if (parts[0] == "asset" || parts[0] == "version") {
    const std::pair<absl::string_view, absl::string_view> fields =
        absl::StrSplit(rest, absl::MaxSplits(' ', 1));
    uint32_t asset = 0;
    if (!absl::SimpleAtoi(fields.first, &asset)) return malformed;
    if (parts[0] == "version") {
      if (!absl::SimpleAtoi(fields.second, &writer.state.last_version[asset])) return malformed;
      return absl::OkStatus();
    }
    const std::optional<AssetState> state = ParseAssetState(fields.second);
    if (!state.has_value()) return malformed;
    writer.state.assets[asset] = *state;
  } else {
    return malformed;
  }
  return absl::OkStatus();
}

void Journal::ForgetDoubts(uint64_t before_line) {
  for (size_t i = 0; i < writers_.size(); ++i) {
    if (lines_[i].in_doubt < before_line) writers_[i].in_doubt.clear();
  }
}

absl::Status Journal::Begin(size_t writer, const std::vector<Step>& steps) {
  return Append(
      absl::StrCat("begin ", writer, " ", absl::StrJoin(steps, "|", [](std::string* out, const Step& step) {
                     absl::StrAppend(out, ToText(step));
                   })));
}

absl::Status Journal::End(size_t writer, Outcome outcome) {
  const char* word = outcome == Outcome::kDone      ? "done "
                     : outcome == Outcome::kRefused ? "refused "
                                                    : "in-doubt ";
  return Append(absl::StrCat(word, writer));
}

absl::Status Journal::BeginSwitch(size_t writer, uint64_t generation) {
  return Append(absl::StrCat("switch ", writer, " ", generation));
}

absl::Status Journal::EndSwitch(size_t writer, Outcome outcome) {
  const char* word = outcome == Outcome::kDone      ? "switched "
                     : outcome == Outcome::kRefused ? "switch-refused "
                                                    : "switch-in-doubt ";
  return Append(absl::StrCat(word, writer));
}

// One write, so that a line is there or, at the end, cut off. The system keeps
// it when this process is killed; the power that fails is simulated.
absl::Status Journal::Append(const std::string& line) {
  const std::string bytes = absl::StrCat(line, "\n");
  if (write(file_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size())) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path_));
}

absl::Status Journal::Checkpoint(const std::vector<WriterState>& states, uint64_t active_generation) {
  std::string text = absl::StrCat("active 0 ", active_generation, "\n");
  for (size_t writer = 0; writer < states.size(); ++writer) {
    for (const auto& [asset, version] : states[writer].last_version) {
      absl::StrAppend(&text, "version ", writer, " ", asset, " ", version, "\n");
    }
    for (const auto& [asset, state] : states[writer].assets) {
      absl::StrAppend(&text, "asset ", writer, " ", asset, " ", ToText(state), "\n");
    }
  }
  EIDETIC_RETURN_IF_ERROR(storage::WriteFileDurably(storage::PosixFileSystem(), path_, text));
  close(file_);
  file_ = open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file_ < 0) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path_));
  switches_ = {.active = active_generation, .maybe = 0};
  for (size_t writer = 0; writer < states.size(); ++writer) {
    writers_[writer] = {.state = states[writer], .pending = {}, .in_doubt = {}, .acknowledged = 0};
  }
  return absl::OkStatus();
}

}  // namespace eidetic::stress
