// What every command shares. A command is a function that adds a subcommand to
// the CLI11 application and sets Command::run when the user chose it; main runs
// it after parsing. Everything here lives in main and is used by its thread.
#ifndef EIDETIC_CLI_COMMAND_H_
#define EIDETIC_CLI_COMMAND_H_

#include <functional>
#include <string>

#include <grpcpp/support/status.h>
#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "cli/terminal.h"

namespace eidetic::cli {

struct GlobalOptions {
  std::string library;  // folder; resolved to an absolute path before run
  std::string model;    // folder or name; empty: the library's, or "default"
  std::string variant;  // precision of the model; empty: the library's, or the best that fits
  bool json = false;
  bool quiet = false;
};

struct Command {
  GlobalOptions options;
  Terminal terminal;
  // Set by the chosen subcommand; returns the exit code.
  std::function<int()> run;
  // Cleared by a subcommand that does without: then no home folder is needed.
  bool needs_library = true;
};

void AddIndexCommand(CLI::App& app, Command& command);
void AddSearchCommand(CLI::App& app, Command& command);
void AddSimilarCommand(CLI::App& app, Command& command);
void AddCaptionCommand(CLI::App& app, Command& command);
void AddServeCommand(CLI::App& app, Command& command);
void AddStatusCommand(CLI::App& app, Command& command);
void AddGenerationCommand(CLI::App& app, Command& command);
void AddVerifyCommand(CLI::App& app, Command& command);
void AddBackupCommand(CLI::App& app, Command& command);
void AddRestoreCommand(CLI::App& app, Command& command);
void AddExportCommand(CLI::App& app, Command& command);
void AddImportCommand(CLI::App& app, Command& command);
void AddEvaluateCommand(CLI::App& app, Command& command);
void AddModelCommand(CLI::App& app, Command& command);
void AddCompletionCommand(CLI::App& app, Command& command);

// `generation abort` and `index --abort`; the exit code.
int RunAbortGeneration(const Command& command);

// Prints "eidetic: MESSAGE" on standard error and returns `code`.
int Fail(const Command& command, const absl::Status& status, int code = 1);
// gRPC's status as Abseil's; the codes are the same numbers.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_COMMAND_H_
