#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace eidetic::cli {

Terminal Terminal::Detect() {
  Terminal terminal;
  terminal.stdout_is_terminal = isatty(STDOUT_FILENO) == 1;
  terminal.stderr_is_terminal = isatty(STDERR_FILENO) == 1;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool color_allowed =
      (no_color == nullptr || *no_color == '\0') && (term == nullptr || std::strcmp(term, "dumb") != 0);
  terminal.color = color_allowed && terminal.stdout_is_terminal;
  terminal.error_color = color_allowed && terminal.stderr_is_terminal;
  return terminal;
}

int Terminal::Columns() const {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::string Terminal::Bold(absl::string_view text) const {
  return color ? absl::StrCat("\x1b[1m", text, "\x1b[0m") : std::string(text);
}

std::string Terminal::Dim(absl::string_view text) const {
  return color ? absl::StrCat("\x1b[2m", text, "\x1b[0m") : std::string(text);
}

}  // namespace eidetic::cli
