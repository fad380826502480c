// `eidetic generation`: what a library holds of several models, and which one it
// is searched with.

#include <grpcpp/client_context.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/fill_generation.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/library_connection.h"
#include "eidetic/v1/generation_service.grpc.pb.h"

namespace eidetic::cli {
namespace {

namespace v1 = ::eidetic::v1;

// Opens the library, runs `work`, closes it.
int WithLibrary(const Command& command, bool writes, const std::function<int(LibraryConnection&)>& work) {
  auto connection = LibraryConnection::Open(
      command.options, {.command = "generation", .writes = writes, .serve_others = true});
  if (!connection.ok()) return Fail(command, connection.status());
  const int code = work(**connection);
  const absl::Status closed = (*connection)->Close();
  return closed.ok() || code != kDone ? code : Fail(command, closed);
}

int RunList(const Command& command) {
  return WithLibrary(command, /*writes=*/false, [&](LibraryConnection& connection) -> int {
    grpc::ClientContext context;
    v1::ListGenerationsResponse response;
    const absl::Status status = connection.ToStatus(
        v1::GenerationService::NewStub(connection.channel())->ListGenerations(&context, {}, &response));
    if (!status.ok()) return Fail(command, status);
    for (const v1::GenerationStatus& generation : response.generations()) {
      if (command.options.json) {
        PrintJson(GenerationToJson(generation));
      } else {
        std::printf("%s\n", DescribeGeneration(generation).c_str());
      }
    }
    return kDone;
  });
}

int RunFill(const Command& command, const v1::FillGenerationRequest& request) {
  const Interrupt interrupt;
  return WithLibrary(command, /*writes=*/true, [&](LibraryConnection& connection) -> int {
    const auto outcome = FillGeneration(command, connection, request, interrupt);
    if (interrupt.requested() && !outcome.ok()) {
      std::fprintf(stderr, "Stopped. What was encoded is kept: run the same command to go on.\n");
      return kInterrupted;
    }
    if (!outcome.ok()) return Fail(command, outcome.status());
    if (command.options.json) {
      PrintJson(OutcomeToJson(*outcome));
    } else {
      PrintOutcome(command, *outcome);
    }
    return outcome->summary.cancelled() ? kInterrupted : kDone;
  });
}

int RunDrop(const Command& command, uint64_t number) {
  return WithLibrary(command, /*writes=*/true, [&](LibraryConnection& connection) -> int {
    grpc::ClientContext context;
    v1::DropGenerationRequest request;
    request.set_generation(number);
    v1::DropGenerationResponse response;
    const absl::Status status = connection.ToStatus(
        v1::GenerationService::NewStub(connection.channel())->DropGeneration(&context, request, &response));
    if (!status.ok()) return Fail(command, status);
    if (command.options.json) {
      PrintJson({{"dropped", number}});
    } else {
      std::printf("Generation %s is dropped.\n", absl::StrCat(number).c_str());
    }
    return kDone;
  });
}

}  // namespace

int RunAbortGeneration(const Command& command) {
  return WithLibrary(command, /*writes=*/true, [&](LibraryConnection& connection) -> int {
    grpc::ClientContext context;
    v1::AbortGenerationResponse response;
    const absl::Status status = connection.ToStatus(
        v1::GenerationService::NewStub(connection.channel())->AbortGeneration(&context, {}, &response));
    if (!status.ok()) return Fail(command, status);
    if (command.options.json) {
      PrintJson({{"dropped", response.generation().number()}});
    } else {
      std::printf("Filling %s is aborted, its vectors are dropped. Searches never used them.\n",
                  response.generation().model_name().c_str());
    }
    return kDone;
  });
}

void AddGenerationCommand(CLI::App& app, Command& command) {
  CLI::App* generation =
      app.add_subcommand("generation", "List, switch and drop the vectors of several models");
  generation->require_subcommand(1);
  generation->footer(
      "A library can hold the vectors of several models side by side; one is searched. Fill another one "
      "with:\n"
      "  eidetic index --model MODEL\n"
      "Searches go on meanwhile. The old one is kept for 30 days after a switch.");

  generation->add_subcommand("list", "List the generations")->callback([&command] {
    command.run = [&command] { return RunList(command); };
  });

  auto number = std::make_shared<uint64_t>(0);
  auto leave_out = std::make_shared<bool>(false);
  const auto add_leave_out = [leave_out](CLI::App* subcommand) {
    subcommand->add_flag("--leave-out-unreadable", *leave_out,
                         "Switch even if photos cannot be encoded: searches do not find them after it");
  };
  CLI::App* move = generation->add_subcommand("switch", "Search with the generation that was filled");
  move->footer("What is missing is encoded first.");
  move->add_option("NUMBER", *number, "Generation; default: the one that is being filled")->type_name("");
  add_leave_out(move);
  move->callback([&command, number, leave_out] {
    command.run = [&command, number, leave_out] {
      v1::FillGenerationRequest request;
      request.set_generation(*number);
      request.set_switch_when_filled(true);
      request.set_leave_out_unreadable(*leave_out);
      return RunFill(command, request);
    };
  });

  CLI::App* rollback = generation->add_subcommand("rollback", "Search with the generation before again");
  rollback->footer("What came since the switch is encoded first, by its own model.");
  add_leave_out(rollback);
  rollback->callback([&command, leave_out] {
    command.run = [&command, leave_out] {
      v1::FillGenerationRequest request;
      request.set_rollback(true);
      request.set_switch_when_filled(true);
      request.set_leave_out_unreadable(*leave_out);
      return RunFill(command, request);
    };
  });

  generation->add_subcommand("abort", "Stop filling and drop what was filled")->callback([&command] {
    command.run = [&command] { return RunAbortGeneration(command); };
  });

  CLI::App* drop = generation->add_subcommand("drop", "Drop a generation that is not searched");
  drop->add_option("NUMBER", *number, "Generation")->type_name("")->required();
  drop->callback(
      [&command, number] { command.run = [&command, number] { return RunDrop(command, *number); }; });
}

}  // namespace eidetic::cli
