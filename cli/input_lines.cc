#include "cli/input_lines.h"

#include <cstdint>
#include <iostream>
#include <istream>
#include <sstream>

#include "encoder/file_contents.h"
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

absl::StatusOr<std::vector<std::string>> ReadInputLines(const std::string& path) {
  if (path == "-") return Lines(std::cin);
  EIDETIC_ASSIGN_OR_RETURN(const std::string content, encoder::ReadFileContents(path, kMaxLinesFile));
  std::istringstream stream(content);
  return Lines(stream);
}

}  // namespace eidetic::cli
