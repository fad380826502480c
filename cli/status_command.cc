#include <grpcpp/client_context.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/fill_generation.h"
#include "cli/json_output.h"
#include "cli/library_connection.h"
#include "eidetic/v1/library_service.grpc.pb.h"

namespace eidetic::cli {
namespace {

namespace v1 = ::eidetic::v1;

const char* StateName(v1::IndexStatus::State state) {
  return state == v1::IndexStatus::STATE_BUILDING ? "building" : "ready";
}

std::string SinceText(const v1::WriteStatus& writes) {
  return absl::FormatTime(absl::RFC3339_sec, absl::FromUnixSeconds(writes.since_time().seconds()),
                          absl::UTCTimeZone());
}

Json StatusToJson(const v1::GetStatusResponse& status, bool remote) {
  Json json = {{"library", status.library_path()},
               {"version", status.version()},
               {"format_version", status.format_version()},
               {"assets", status.asset_count()},
               {"paths", status.path_count()},
               {"captions", status.caption_count()},
               {"database_bytes", status.database_bytes()},
               {"snapshot_bytes", status.snapshot_bytes()},
               {"last_sequence", status.last_sequence()},
               {"read_only", status.read_only()}};
  json["model"] = {{"name", status.model().name()},
                   {"fingerprint", status.model().fingerprint()},
                   {"dimension", status.model().dimension()},
                   {"generation", status.model().generation()},
                   {"phrases", status.model().phrase_count()}};
  Json& generations = json["generations"] = Json::array();
  for (const v1::GenerationStatus& generation : status.generations()) {
    generations.push_back(GenerationToJson(generation));
  }
  json["index"] = {
      {"state", StateName(status.index().state())},      {"kind", status.index().kind()},
      {"vectors", status.index().vector_count()},        {"tombstones", status.index().tombstone_count()},
      {"last_sequence", status.index().last_sequence()}, {"origin", status.index().origin()},
      {"origin_detail", status.index().origin_detail()}};
  const v1::WriteStatus& writes = status.writes();
  json["writes"] = {{"accepted", writes.accepted()},
                    {"since", SinceText(writes)},
                    {"reason", writes.reason()},
                    {"detail", writes.detail()}};
  json["rejected_snapshots"] = status.rejected_snapshot_count();
  if (status.has_last_rejected_snapshot()) {
    json["last_rejected_snapshot"] = {
        {"reason", status.last_rejected_snapshot().reason()},
        {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ",
                                  absl::FromUnixSeconds(status.last_rejected_snapshot().time().seconds()),
                                  absl::UTCTimeZone())}};
  }
  json["holder"] =
      remote ? Json({{"pid", status.holder_pid()}, {"address", status.holder_address()}}) : Json(nullptr);
  return json;
}

std::string Bytes(uint64_t bytes) {
  if (bytes < 10'000) return absl::StrFormat("%d bytes", bytes);
  return absl::StrFormat("%.1f MB", static_cast<double>(bytes) / 1e6);
}

void PrintStatus(const v1::GetStatusResponse& status, bool remote) {
  std::printf("Library    %s (format %u%s)\n", status.library_path().c_str(), status.format_version(),
              status.read_only() ? ", open for reading alone" : "");
  std::printf("%s\n", absl::StrFormat("Photos     %d, at %d paths, with %d captions", status.asset_count(),
                                      status.path_count(), status.caption_count())
                          .c_str());
  if (status.model().fingerprint().empty()) {
    std::printf("Model      none yet\n");
  } else {
    std::printf("Model      %s, %u dimensions, fingerprint %s\n", status.model().name().c_str(),
                status.model().dimension(), status.model().fingerprint().c_str());
  }
  // One generation is what every library has: nothing to tell.
  if (status.generations_size() > 1) {
    for (const v1::GenerationStatus& generation : status.generations()) {
      std::printf("Generation %s\n", DescribeGeneration(generation).c_str());
    }
  }
  const v1::IndexStatus& index = status.index();
  std::printf("%s\n", absl::StrFormat("Index      %s, %s, %d vectors, %d removed; %s%s%s", index.kind(),
                                      StateName(index.state()), index.vector_count(), index.tombstone_count(),
                                      index.origin(), index.origin_detail().empty() ? "" : ": ",
                                      index.origin_detail())
                          .c_str());
  if (status.has_last_rejected_snapshot()) {
    std::printf("%s\n",
                absl::StrFormat("Snapshots  %d rejected since the start; the last: %s",
                                status.rejected_snapshot_count(), status.last_rejected_snapshot().reason())
                    .c_str());
  }
  std::printf("On disk    %s database, %s index snapshot\n", Bytes(status.database_bytes()).c_str(),
              Bytes(status.snapshot_bytes()).c_str());
  if (const v1::WriteStatus& writes = status.writes(); !writes.accepted()) {
    std::printf("Writes     refused since %s (%s): %s\n", SinceText(writes).c_str(), writes.reason().c_str(),
                writes.detail().c_str());
  }
  if (remote) {
    std::printf(
        "%s\n",
        absl::StrFormat("Held by    process %d on %s", status.holder_pid(), status.holder_address()).c_str());
  }
}

int RunStatus(const Command& command) {
  auto connection = LibraryConnection::Open(command.options, {.command = "status"});
  if (!connection.ok()) return Fail(command, connection.status());
  grpc::ClientContext context;
  v1::GetStatusResponse response;
  const auto stub = v1::LibraryService::NewStub((*connection)->channel());
  const absl::Status status = (*connection)->ToStatus(stub->GetStatus(&context, {}, &response));
  if (!status.ok()) return Fail(command, status);
  if (command.options.json) {
    PrintJson(StatusToJson(response, (*connection)->remote()));
  } else {
    PrintStatus(response, (*connection)->remote());
  }
  if (const absl::Status closed = (*connection)->Close(); !closed.ok()) return Fail(command, closed);
  return kDone;
}

}  // namespace

void AddStatusCommand(CLI::App& app, Command& command) {
  CLI::App* status = app.add_subcommand("status", "Show counts, sizes, model and index of the library");
  status->callback([&command] { command.run = [&command] { return RunStatus(command); }; });
}

}  // namespace eidetic::cli
