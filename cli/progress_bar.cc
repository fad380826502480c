#include "cli/progress_bar.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace eidetic::cli {
namespace {

constexpr absl::Duration kRedraw = absl::Milliseconds(100);
constexpr absl::Duration kLogEvery = absl::Seconds(10);

std::string Remaining(const ProgressState& state) {
  if (state.total <= state.done || state.per_second <= 0) return "";
  const auto seconds =
      static_cast<int64_t>(std::ceil(static_cast<double>(state.total - state.done) / state.per_second));
  if (seconds >= 3600) {
    return absl::StrFormat("  %d:%02d:%02d left", seconds / 3600, seconds / 60 % 60, seconds % 60);
  }
  return absl::StrFormat("  %d:%02d left", seconds / 60, seconds % 60);
}

}  // namespace

std::string RenderProgress(const ProgressState& state, int columns) {
  const std::string rate =
      state.per_second > 0
          ? absl::StrFormat(state.per_second < 10 ? "  %.1f/s" : "  %.0f/s", state.per_second)
          : "";
  if (state.total == 0) {
    return absl::StrCat(state.label, "  ", state.done, " ", state.unit, rate);
  }
  const double share = std::min(1.0, static_cast<double>(state.done) / static_cast<double>(state.total));
  const std::string figures = absl::StrFormat("%3.0f%%  %d/%d %s%s%s", std::floor(share * 100), state.done,
                                              state.total, state.unit, rate, Remaining(state));
  std::string bar;
  const int room = std::min(40, columns - static_cast<int>(state.label.size() + figures.size()) - 6);
  if (room >= 8) {
    const int filled = static_cast<int>(share * room);
    bar.assign(static_cast<size_t>(filled), '=');
    if (filled < room) bar.push_back('>');
    bar.resize(static_cast<size_t>(room), ' ');
    bar = absl::StrCat("[", bar, "]  ");
  }
  std::string line = absl::StrCat(state.label, "  ", bar, figures);
  if (columns > 0 && line.size() > static_cast<size_t>(columns)) line.resize(static_cast<size_t>(columns));
  return line;
}

ProgressBar::ProgressBar(const Terminal& terminal, bool silent) : terminal_(terminal), silent_(silent) {}

ProgressBar::~ProgressBar() { Clear(); }

void ProgressBar::Update(const ProgressState& state) {
  if (silent_) return;
  const absl::Time now = absl::Now();
  const bool new_label = state.label != last_label_;
  if (terminal_.stderr_is_terminal) {
    if (!new_label && now - last_draw_ < kRedraw) return;
    std::fprintf(stderr, "\r\x1b[K%s", RenderProgress(state, terminal_.Columns() - 1).c_str());
    std::fflush(stderr);
    drawn_ = true;
  } else {
    // The first line of a stage comes after its first interval: short work logs nothing.
    if (new_label) {
      last_label_ = state.label;
      last_draw_ = now;
      return;
    }
    if (now - last_draw_ < kLogEvery) return;
    std::fprintf(stderr, "%s\n", RenderProgress(state, 0).c_str());
  }
  last_label_ = state.label;
  last_draw_ = now;
}

void ProgressBar::Note(absl::string_view line) {
  Clear();
  std::fprintf(stderr, "%s\n", std::string(line).c_str());
}

void ProgressBar::Clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
  last_draw_ = absl::InfinitePast();
}

}  // namespace eidetic::cli
