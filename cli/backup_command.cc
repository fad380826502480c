#include <grpcpp/client_context.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/cancel_on_interrupt.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/library_connection.h"
#include "cli/progress_bar.h"
#include "eidetic/v1/library_service.grpc.pb.h"
#include "storage/backup.h"

namespace eidetic::cli {
namespace {

namespace v1 = ::eidetic::v1;

constexpr uint64_t kMebibyte = uint64_t{1} << 20;

struct BackupCommandOptions {
  std::string folder;
  bool list = false;
  bool verify = false;
  uint32_t keep = 0;
};

struct RestoreCommandOptions {
  std::string folder;
  std::string to;
  uint32_t number = 0;
};

std::string Absolute(const std::string& path) {
  std::error_code error;
  std::filesystem::path absolute = std::filesystem::absolute(path, error).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  return absolute.string();
}

std::string Mebibytes(uint64_t bytes) {
  return absl::StrFormat("%.1f MiB", static_cast<double>(bytes) / kMebibyte);
}

// Shows bytes as MiB, with the rate of the stage.
class BytesBar {
 public:
  explicit BytesBar(const Command& command)
      : bar_(command.terminal, command.options.quiet || command.options.json) {}

  void Update(const char* label, uint64_t done, uint64_t total) {
    if (label_ != label) {
      label_ = label;
      start_ = absl::Now();
    }
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start_);
    const auto mebibytes = static_cast<double>(done) / kMebibyte;
    bar_.Update({.label = label_,
                 .done = done / kMebibyte,
                 .total = (total + kMebibyte - 1) / kMebibyte,
                 .per_second = seconds > 0 ? mebibytes / seconds : 0,
                 .unit = "MiB"});
  }
  void Clear() { bar_.Clear(); }

 private:
  ProgressBar bar_;
  std::string label_;
  absl::Time start_;
};

Json BackupToJson(const storage::Backup& backup) {
  Json json = {{"number", backup.number},
               {"created", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ",
                                            absl::FromUnixMicros(backup.record.create_time_micros()),
                                            absl::UTCTimeZone())},
               {"bytes", backup.bytes},
               {"assets", backup.record.state().asset_count()},
               {"last_sequence", backup.record.state().last_sequence()},
               {"model", backup.record.generation().model_name()},
               {"library", storage::DisplayPath(backup.record.library_path())}};
  if (!backup.damage.ok()) json["damage"] = std::string(backup.damage.message());
  return json;
}

int PrintBackups(const Command& command, const std::vector<storage::Backup>& backups) {
  bool damaged = false;
  if (!command.options.json && backups.empty()) std::printf("No backups.\n");
  for (const storage::Backup& backup : backups) {
    damaged = damaged || !backup.damage.ok();
    if (command.options.json) {
      PrintJson(BackupToJson(backup));
      continue;
    }
    if (backup.record.create_time_micros() == 0) {
      std::printf("%4u  damaged: %s\n", backup.number, std::string(backup.damage.message()).c_str());
      continue;
    }
    const std::string line = absl::StrFormat(
        "%4u  %s  %10d assets  %12s", backup.number,
        absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixMicros(backup.record.create_time_micros()),
                         absl::LocalTimeZone()),
        backup.record.state().asset_count(), Mebibytes(backup.bytes));
    std::printf("%s%s\n", line.c_str(),
                backup.damage.ok() ? "" : absl::StrCat("  damaged: ", backup.damage.message()).c_str());
  }
  return damaged ? kFailed : kDone;
}

int RunList(const Command& command, const BackupCommandOptions& options) {
  const auto backups = storage::ListBackups(Absolute(options.folder));
  if (!backups.ok()) return Fail(command, backups.status());
  return PrintBackups(command, *backups);
}

int RunVerifyBackups(const Command& command, const BackupCommandOptions& options) {
  const Interrupt interrupt;
  BytesBar bar(command);
  const auto backups =
      storage::VerifyBackups(Absolute(options.folder), [&](const storage::BackupProgress& progress) {
        bar.Update("Verifying", progress.done_bytes, progress.total_bytes);
        return !interrupt.requested();
      });
  bar.Clear();
  if (interrupt.requested()) {
    std::fprintf(stderr, "Stopped before the end.\n");
    return kInterrupted;
  }
  if (!backups.ok()) return Fail(command, backups.status());
  return PrintBackups(command, *backups);
}

int RunBackup(const Command& command, const BackupCommandOptions& options) {
  if (options.list) return RunList(command, options);
  if (options.verify) return RunVerifyBackups(command, options);
  v1::CreateBackupRequest request;
  request.set_backup_path(Absolute(options.folder));
  request.set_keep_count(options.keep);
  const Interrupt interrupt;
  auto connection = LibraryConnection::Open(command.options, {.command = "backup", .serve_others = true});
  if (!connection.ok()) return Fail(command, connection.status());
  BytesBar bar(command);
  v1::BackupSummary summary;
  absl::Status status;
  {
    grpc::ClientContext context;
    const auto stub = v1::LibraryService::NewStub((*connection)->channel());
    const auto stream = stub->CreateBackup(&context, request);
    const CancelOnInterrupt canceller(interrupt, context);
    v1::CreateBackupResponse response;
    while (stream->Read(&response)) {
      if (response.has_progress()) {
        bar.Update(response.progress().stage() == "verifying" ? "Verifying" : "Copying",
                   response.progress().done_bytes(), response.progress().total_bytes());
      }
      if (response.has_summary()) summary = response.summary();
    }
    status = FromGrpc(stream->Finish());
  }
  bar.Clear();
  const absl::Status closed = (*connection)->Close();
  if (!status.ok() && interrupt.requested()) {
    std::fprintf(stderr, "Stopped. No backup was added; earlier ones are as they were.\n");
    return kInterrupted;
  }
  if (!status.ok()) return Fail(command, status);
  if (command.options.json) {
    PrintJson({{"number", summary.number()},
               {"bytes", summary.size_bytes()},
               {"assets", summary.asset_count()},
               {"last_sequence", summary.last_sequence()},
               {"seconds", summary.seconds()}});
  } else {
    std::printf("%s\n", command.terminal
                            .Bold(absl::StrFormat("Backup %d: %d assets, %s, verified, in %.1f s",
                                                  summary.number(), summary.asset_count(),
                                                  Mebibytes(summary.size_bytes()), summary.seconds()))
                            .c_str());
  }
  if (!closed.ok()) return Fail(command, closed);
  return kDone;
}

int RunRestore(const Command& command, const RestoreCommandOptions& options) {
  const Interrupt interrupt;
  BytesBar bar(command);
  const std::string target = options.to.empty() ? command.options.library : Absolute(options.to);
  const auto restored = storage::RestoreBackup(
      {.backup_directory = Absolute(options.folder),
       .library_directory = target,
       .number = options.number,
       .progress = [&](const storage::BackupProgress& progress) {
         bar.Update(progress.stage == storage::BackupProgress::Stage::kRestoring ? "Restoring" : "Verifying",
                    progress.done_bytes, progress.total_bytes);
         return !interrupt.requested();
       }});
  bar.Clear();
  if (!restored.ok() && interrupt.requested()) {
    std::fprintf(stderr, "Stopped. %s is not a library; run the same command to begin again.\n",
                 storage::DisplayPath(target).c_str());
    return kInterrupted;
  }
  if (!restored.ok()) return Fail(command, restored.status());
  if (command.options.json) {
    Json json = BackupToJson(*restored);
    json["restored"] = storage::DisplayPath(target);
    PrintJson(json);
  } else {
    std::printf("%s\n", command.terminal
                            .Bold(absl::StrFormat("Backup %d restored into %s: %d assets", restored->number,
                                                  storage::DisplayPath(target),
                                                  restored->record.state().asset_count()))
                            .c_str());
  }
  return kDone;
}

}  // namespace

void AddBackupCommand(CLI::App& app, Command& command) {
  auto options = std::make_shared<BackupCommandOptions>();
  CLI::App* backup = app.add_subcommand("backup", "Add a backup of the library to a folder");
  backup->footer(
      "Works while the library is searched, served and indexed. Only what is new is copied; each backup is\n"
      "whole by itself and is verified before it counts. Ctrl-C, a crash or a full disk leave earlier ones\n"
      "as they were. With --list and --verify the exit code is 1 when a backup is damaged.\n"
      "Get a library back with `eidetic restore`.");
  backup->add_option("DIR", options->folder, "A new or empty folder, or one with backups of this library")
      ->type_name("")
      ->required();
  CLI::Option* list = backup->add_flag("--list", options->list, "List the backups there; make none");
  CLI::Option* verify = backup->add_flag("--verify", options->verify,
                                         "Read every backup there and compare its checksums; make none");
  backup
      ->add_option("--keep", options->keep,
                   "When the new backup is there, keep the N newest and remove others")
      ->type_name("N")
      ->check(CLI::Range(1U, 1'000'000U))
      ->excludes(list)
      ->excludes(verify);
  list->excludes(verify);
  backup->callback(
      [&command, options] { command.run = [&command, options] { return RunBackup(command, *options); }; });
}

void AddRestoreCommand(CLI::App& app, Command& command) {
  auto options = std::make_shared<RestoreCommandOptions>();
  CLI::App* restore = app.add_subcommand("restore", "Make a library of a backup");
  restore->footer(
      "The backup is verified before anything is written, and the folder is a library only when all of it\n"
      "is there. An interrupted restore is no library; the same command begins again.");
  restore->add_option("DIR", options->folder, "A folder that `eidetic backup` wrote to")
      ->type_name("")
      ->required();
  restore->add_option("--to", options->to, "A new or empty folder. Default: the folder of --library")
      ->type_name("FOLDER");
  restore
      ->add_option("--number", options->number,
                   "Which backup, see `eidetic backup DIR --list`. Default: the newest")
      ->type_name("N")
      ->check(CLI::Range(1U, 4'294'967'295U));
  restore->callback(
      [&command, options] { command.run = [&command, options] { return RunRestore(command, *options); }; });
}

}  // namespace eidetic::cli
