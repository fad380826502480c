// The `eidetic` program: parses the command line and runs one command.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/exit_code.h"

namespace eidetic::cli {
namespace {

std::string DefaultLibrary() {
  const auto variable = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const std::string library = variable("EIDETIC_LIBRARY"); !library.empty()) return library;
  if (const std::string data = variable("XDG_DATA_HOME"); !data.empty())
    return absl::StrCat(data, "/eidetic");
  if (const std::string home = variable("HOME"); !home.empty())
    return absl::StrCat(home, "/.local/share/eidetic");
  return "";
}

void AddCommands(CLI::App& app, Command& command) {
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", "eidetic " EIDETIC_VERSION);
  app.get_formatter()->column_width(34);
  app.add_option("--library", command.options.library,
                 "Folder of the library. Default: $EIDETIC_LIBRARY, else $XDG_DATA_HOME/eidetic, else "
                 "~/.local/share/eidetic")
      ->type_name("DIR");
  app.add_option(
         "--model", command.options.model,
         "Model: a folder, or the name of one that `eidetic model list` shows. Default: the library's, else "
         "$EIDETIC_MODEL, else \"default\"")
      ->type_name("MODEL");
  app.add_option(
         "--variant", command.options.variant,
         "Precision of the model, of those that `eidetic model show` lists (plain, fp16, quantized, …). "
         "Default: the library's, else the best that fits the memory")
      ->type_name("NAME");
  app.add_flag("--json", command.options.json,
               "One JSON object a line on standard output; messages on standard error");
  app.add_flag("--quiet", command.options.quiet, "No progress, only results and errors");
  app.footer(
      "Examples:\n"
      "  eidetic index ~/Pictures\n"
      "  eidetic search \"a dog on the beach at sunset\"\n"
      "  eidetic caption photo.jpg\n"
      "  eidetic serve --address 127.0.0.1:50051\n\n"
      "Exit codes: 0 done; 1 failed; 2 wrong usage; 3 done, but some inputs were skipped (they are listed);\n"
      "130 stopped by Ctrl-C.");
  AddIndexCommand(app, command);
  AddSearchCommand(app, command);
  AddSimilarCommand(app, command);
  AddCaptionCommand(app, command);
  AddServeCommand(app, command);
  AddStatusCommand(app, command);
  AddGenerationCommand(app, command);
  AddVerifyCommand(app, command);
  AddBackupCommand(app, command);
  AddRestoreCommand(app, command);
  AddExportCommand(app, command);
  AddImportCommand(app, command);
  AddEvaluateCommand(app, command);
  AddModelCommand(app, command);
  AddCompletionCommand(app, command);
}

// Makes `library` an absolute path without a slash at its end; empty: the default.
absl::Status ResolveLibrary(std::string& library) {
  if (library.empty()) library = DefaultLibrary();
  if (library.empty()) {
    return absl::InvalidArgumentError("no home folder is known; name the library with --library DIR");
  }
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(library, error);
  if (error) return absl::InternalError(absl::StrCat("--library ", library, ": ", error.message()));
  library = absolute.lexically_normal().string();
  while (library.size() > 1 && library.back() == '/') library.pop_back();
  return absl::OkStatus();
}

int Run(int argc, char** argv) {
  CLI::App app("Eidetic finds pictures by meaning, on your own machine.", "eidetic");
  Command command;
  command.terminal = Terminal::Detect();
  AddCommands(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);  // --help, --version
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "eidetic: %s\nTry: eidetic --help, or eidetic COMMAND --help\n", error.what());
    return kWrongUsage;
  }
  if (command.needs_library) {
    if (const absl::Status resolved = ResolveLibrary(command.options.library); !resolved.ok()) {
      return Fail(command, resolved, absl::IsInvalidArgument(resolved) ? kWrongUsage : kFailed);
    }
  }
  return command.run();
}

}  // namespace
}  // namespace eidetic::cli

int main(int argc, char** argv) {
  try {
    return eidetic::cli::Run(argc, argv);
  } catch (const std::exception& error) {
    // Only for what cannot be foreseen, such as no memory: say so and fail.
    std::fprintf(stderr, "eidetic: %s\n", error.what());
    return eidetic::cli::kFailed;
  }
}
