#include <unistd.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/model_folders.h"
#include "service/library_host.h"
#include "service/stderr_event_log.h"

namespace eidetic::cli {
namespace {

struct ServeOptions {
  std::string address = "127.0.0.1:50051";
  std::string http_address = "127.0.0.1:8080";
  service::EventLogOptions log;
  int threads = 0;
  int shutdown_seconds = 10;
  bool insecure = false;
  service::ServiceLimits limits;
  int max_message_mib = 64;
  int max_megapixels = 100;
};

int RunServe(const Command& command, const ServeOptions& options) {
  const auto model_folder = FindModelFolder(command.options.model);
  if (!model_folder.ok()) return Fail(command, model_folder.status());
  const Interrupt interrupt;
  service::LibraryHostOptions host;
  host.library_directory = command.options.library;
  host.create = true;
  host.allow_read_only = true;
  host.model_folder = *model_folder;
  host.model_variant = command.options.variant;
  host.prefer_remembered_model = command.options.model.empty();
  host.eager = true;
  host.address = options.address;
  host.http_address = options.http_address;
  const std::unique_ptr<storage::EventLog> log = service::NewStderrEventLog(options.log);
  host.event_log = log.get();
  host.allow_insecure = options.insecure;
  host.command = "serve";
  host.encoder_threads = options.threads;
  host.limits = options.limits;
  host.limits.max_message_bytes = options.max_message_mib << 20;
  host.limits.max_pixels = static_cast<uint64_t>(options.max_megapixels) * 1'000'000;
  auto opened = service::LibraryHost::Open(host);
  if (!opened.ok()) return Fail(command, opened.status());
  const std::string& address = (*opened)->address();
  if (command.options.json) {
    PrintJson({{"address", address},
               {"http_address", (*opened)->http_address()},
               {"library", command.options.library},
               {"pid", getpid()},
               {"read_only", (*opened)->read_only()}});
  } else {
    const std::string& http_address = (*opened)->http_address();
    std::printf("Serving %s on %s%s (pid %d%s); Ctrl-C stops.\n", command.options.library.c_str(),
                address.c_str(), http_address.empty() ? "" : absl::StrCat(", http://", http_address).c_str(),
                static_cast<int>(getpid()), (*opened)->read_only() ? ", for reading alone" : "");
  }
  std::fflush(stdout);
  interrupt.Wait();
  if (!command.options.quiet) std::fprintf(stderr, "Stopping: calls in flight may end.\n");
  if (const absl::Status status = (*opened)->Shutdown(absl::Seconds(options.shutdown_seconds));
      !status.ok()) {
    return Fail(command, status);
  }
  return kDone;
}

}  // namespace

void AddServeCommand(CLI::App& app, Command& command) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* serve = app.add_subcommand("serve", "Answer over gRPC until stopped");
  serve->footer(
      "Services eidetic.v1.SearchService, LibraryService and EncoderService, with health and reflection.\n"
      "While it runs, the other commands talk to it without being told. It stops on Ctrl-C or SIGTERM: "
      "calls\n"
      "in flight may end, the index snapshot is saved.");
  serve->add_option("--address", options->address, "Where to listen; port 0 takes a free one")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  serve
      ->add_option("--http-address", options->http_address,
                   "Where /metrics and /healthz are; port 0 takes a free one, \"\" does without")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  serve
      ->add_option("--log-level", options->log.from,
                   "Least severity that is logged on standard error: debug, info, warning, error")
      ->transform(
          CLI::CheckedTransformer(
              std::map<std::string, storage::EventSeverity>{{"debug", storage::EventSeverity::kDebug},
                                                            {"info", storage::EventSeverity::kInfo},
                                                            {"warning", storage::EventSeverity::kWarning},
                                                            {"error", storage::EventSeverity::kError}},
              CLI::ignore_case)
              .description(""))
      ->type_name("LEVEL")
      ->default_str("info");
  serve->add_option("--log-format", options->log.form, "Form of the log: text, json (an object a line)")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, service::LogForm>{{"text", service::LogForm::kText},
                                                                          {"json", service::LogForm::kJson}},
                                  CLI::ignore_case)
              .description(""))
      ->type_name("FORMAT")
      ->default_str("text");
  serve->add_flag("--insecure", options->insecure,
                  "Allow an address other machines reach, without encryption or passwords");
  serve->add_option("--threads", options->threads, "Threads of one encoder call; 0: all cores")
      ->check(CLI::Range(0, 1024));
  serve->add_option("--max-message-mib", options->max_message_mib, "Largest gRPC message, MiB")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  serve->add_option("--max-megapixels", options->max_megapixels, "Largest picture in a request")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  serve->add_option("--max-concurrent-calls", options->limits.max_concurrent_calls, "Calls worked on at once")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  serve
      ->add_option("--shutdown-seconds", options->shutdown_seconds,
                   "Time that calls in flight get at the end")
      ->check(CLI::Range(0, 3600))
      ->capture_default_str();
  serve->callback(
      [&command, options] { command.run = [&command, options] { return RunServe(command, *options); }; });
}

}  // namespace eidetic::cli
