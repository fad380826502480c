#include "cli/command.h"

#include <cstdio>

#include "absl/strings/str_cat.h"

namespace eidetic::cli {

int Fail(const Command& command, const absl::Status& status, int code) {
  const char* prefix = command.terminal.error_color ? "\x1b[31meidetic:\x1b[0m " : "eidetic: ";
  std::fprintf(stderr, "%s%s\n", prefix, std::string(status.message()).c_str());
  return code;
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return {static_cast<absl::StatusCode>(status.error_code()), status.error_message()};
}

}  // namespace eidetic::cli
