#include "cli/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <istream>
#include <sstream>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/status_macros.h"

namespace eidetic::cli {
namespace {

constexpr uint64_t kMaxLinesFile = uint64_t{1} << 30;

std::vector<std::string> Lines(std::istream& stream) {
  std::vector<std::string> lines;
  std::string line;
  while (std::getline(stream, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

}  // namespace

absl::StatusOr<std::string> ReadInputFile(const std::string& path, uint64_t max_bytes) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return absl::ErrnoToStatus(errno, path);
  const absl::Cleanup close_file = [file] { close(file); };
  struct stat info {};
  if (fstat(file, &info) != 0) return absl::ErrnoToStatus(errno, path);
  if (S_ISDIR(info.st_mode))
    return absl::InvalidArgumentError(absl::StrCat(path, ": is a folder, not a file"));
  if (!S_ISREG(info.st_mode))
    return absl::InvalidArgumentError(absl::StrCat(path, ": is not a regular file"));
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(path, ": has ", size, " bytes, more than the ", max_bytes, " accepted"));
  }
  std::string content(size, '\0');
  size_t have = 0;
  while (have < content.size()) {
    const ssize_t got = read(file, content.data() + have, content.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, path);
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  content.resize(have);
  return content;
}

absl::StatusOr<std::vector<std::string>> ReadInputLines(const std::string& path) {
  if (path == "-") return Lines(std::cin);
  EIDETIC_ASSIGN_OR_RETURN(const std::string content, ReadInputFile(path, kMaxLinesFile));
  std::istringstream stream(content);
  return Lines(stream);
}

}  // namespace eidetic::cli
