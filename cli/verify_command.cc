#include <grpcpp/client_context.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "cli/cancel_on_interrupt.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/library_connection.h"
#include "cli/progress_bar.h"
#include "cli/repair_report.h"
#include "eidetic/v1/library_service.grpc.pb.h"
#include "service/repair_library.h"

namespace eidetic::cli {
namespace {

namespace v1 = ::eidetic::v1;

Json ReportToJson(const v1::VerifySummary& summary, const std::vector<v1::VerifyFault>& faults) {
  Json json = {{"ok", summary.fault_count() == 0},
               {"records_read", summary.records_read()},
               {"fault_count", summary.fault_count()},
               {"seconds", summary.seconds()}};
  Json& listed = json["faults"] = Json::array();
  for (const v1::VerifyFault& fault : faults) {
    listed.push_back({{"place", fault.place()}, {"key", fault.key()}, {"message", fault.message()}});
  }
  return json;
}

// A library that is too damaged to be opened.
int ReportUnopened(const Command& command, const absl::Status& status) {
  if (command.options.json && absl::IsDataLoss(status)) {
    v1::VerifySummary summary;
    summary.set_fault_count(1);
    v1::VerifyFault fault;
    fault.set_place("database");
    fault.set_message(std::string(status.message()));
    PrintJson(ReportToJson(summary, {fault}));
  }
  return Fail(command, status);
}

int RunVerify(const Command& command) {
  const Interrupt interrupt;
  auto connection = LibraryConnection::Open(command.options, {.command = "verify"});
  if (!connection.ok()) return ReportUnopened(command, connection.status());
  ProgressBar bar(command.terminal, command.options.quiet || command.options.json);
  std::vector<v1::VerifyFault> faults;
  v1::VerifySummary summary;
  absl::Status status;
  {
    grpc::ClientContext context;
    const auto stub = v1::LibraryService::NewStub((*connection)->channel());
    const auto stream = stub->VerifyLibrary(&context, {});
    const absl::Time start = absl::Now();
    const CancelOnInterrupt canceller(interrupt, context);
    v1::VerifyLibraryResponse response;
    while (stream->Read(&response)) {
      for (const v1::VerifyFault& fault : response.faults()) {
        bar.Note(absl::StrCat(fault.place(), " ", fault.key(), ": ", fault.message()));
        faults.push_back(fault);
      }
      const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
      bar.Update({.label = "Verifying",
                  .done = response.records_read(),
                  .total = response.records_total(),
                  .per_second = seconds > 0 ? static_cast<double>(response.records_read()) / seconds : 0,
                  .unit = "records"});
      if (response.has_summary()) summary = response.summary();
    }
    status = (*connection)->ToStatus(stream->Finish());
  }
  bar.Clear();
  const absl::Status closed = (*connection)->Close();
  if (interrupt.requested()) {
    std::fprintf(stderr, "Stopped before the end.\n");
    return kInterrupted;
  }
  if (!status.ok()) return Fail(command, status);
  if (command.options.json) {
    PrintJson(ReportToJson(summary, faults));
  } else if (summary.fault_count() == 0) {
    std::printf("%s\n", absl::StrFormat("No faults: %d records read in %.1f s.", summary.records_read(),
                                        summary.seconds())
                            .c_str());
  } else {
    std::printf("%s\n",
                absl::StrFormat(
                    "%d faults in %d records read. Stop whoever serves the library and run `eidetic verify "
                    "--repair`; then `eidetic index` fills the gaps.",
                    summary.fault_count(), summary.records_read())
                    .c_str());
  }
  if (!closed.ok()) return Fail(command, closed);
  return summary.fault_count() == 0 ? kDone : kFailed;
}

struct RepairArguments {
  bool repair = false;
  std::string backup;
};

int RunRepair(const Command& command, const RepairArguments& arguments) {
  const Interrupt interrupt;
  ProgressBar bar(command.terminal, command.options.quiet || command.options.json);
  const absl::Time start = absl::Now();
  const auto progress = [&](uint64_t done, uint64_t total) {
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    bar.Update({.label = "Repairing",
                .done = done,
                .total = total,
                .per_second = seconds > 0 ? static_cast<double>(done) / seconds : 0,
                .unit = "records"});
    return !interrupt.requested();
  };
  const auto report = service::RepairLibrary(
      {.library = command.options.library, .backup = arguments.backup, .progress = progress});
  bar.Clear();
  if (interrupt.requested() && absl::IsCancelled(report.status())) {
    std::fprintf(stderr, "Stopped; nothing was changed.\n");
    return kInterrupted;
  }
  if (!report.ok()) return Fail(command, report.status());
  if (command.options.json) {
    PrintJson(RepairReportToJson(*report));
  } else {
    std::printf("%s", DescribeRepair(*report).c_str());
  }
  return report->lost_assets.empty() && report->lost_unnamed == 0 && report->lost_captions == 0
             ? kDone
             : kInputsSkipped;
}

}  // namespace

void AddVerifyCommand(CLI::App& app, Command& command) {
  CLI::App* verify = app.add_subcommand("verify", "Read the whole library and report every fault");
  verify->footer(
      "Checks every checksum, the links between photos, paths, captions and vectors, and the index against "
      "the\n"
      "database. Exit code 1 when there are faults.\n\n"
      "With --repair a new database is made of what can be read, of the vectors that the index still holds,\n"
      "and of a backup. The damaged one is kept beside it (rocksdb.damaged-1). Nobody may have the library\n"
      "open. What is lost is listed (exit code 3); `eidetic index` reads those photos again.");
  auto arguments = std::make_shared<RepairArguments>();
  CLI::Option* repair =
      verify->add_flag("--repair", arguments->repair, "Make a new database of what can be read");
  verify
      ->add_option("--backup", arguments->backup,
                   "Folder of an older copy of the library, to take lost records from")
      ->needs(repair);
  verify->callback([&command, arguments] {
    command.run = [&command, arguments] {
      return arguments->repair ? RunRepair(command, *arguments) : RunVerify(command);
    };
  });
}

}  // namespace eidetic::cli
