#include <grpcpp/client_context.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/input_lines.h"
#include "cli/json_output.h"
#include "cli/library_connection.h"
#include "eidetic/v1/search_service.grpc.pb.h"
#include "encoder/file_contents.h"
#include "encoder/image_decoder.h"
#include "proto/status_macros.h"

namespace eidetic::cli {
namespace {

namespace v1 = ::eidetic::v1;

// How strongly `--not` pushes away; full strength drowns the query itself.
constexpr float kNotWeight = -0.5F;

struct SearchOptions {
  std::string text;
  std::string image;
  std::string not_text;
  std::string queries;
  std::string filter;
  int limit = 10;
  int ef_search = 0;
  float min_confidence = 0;
  bool all = false;
  bool no_words = false;
  bool exact = false;
  bool explain = false;
};

struct SimilarOptions {
  std::vector<std::string> images;
  std::string id;
  std::string filter;
  int limit = 10;
  bool exact = false;
  bool explain = false;
};

void AddResultOptions(CLI::App* app, std::string& filter, int& limit, bool& exact, bool& explain) {
  app->add_option("--filter", filter,
                  "Only photos for which this is true, for example 'taken >= \"2023-06\" AND tag:beach' "
                  "(docs/filters.md)")
      ->type_name("EXPR");
  app->add_option("--limit", limit, "Most hits to show")->check(CLI::Range(1, 1000))->capture_default_str();
  app->add_flag("--exact", exact, "Compare with every photo instead of using the graph");
  app->add_flag("--explain", explain, "Say how the answer was found, and how long each part took");
}

absl::StatusOr<v1::QueryTerm> ImageTerm(const std::string& path) {
  EIDETIC_ASSIGN_OR_RETURN(std::string bytes,
                           encoder::ReadFileContents(path, encoder::DecodeOptions{}.max_file_bytes));
  v1::QueryTerm term;
  term.set_image(std::move(bytes));
  return term;
}

absl::StatusOr<v1::SearchResponse> Search(const Command& command, const LibraryConnection& connection,
                                          const v1::SearchRequest& request) {
  grpc::ClientContext context;
  v1::SearchResponse response;
  const auto stub = v1::SearchService::NewStub(connection.channel());
  EIDETIC_RETURN_IF_ERROR(connection.ToStatus(stub->Search(&context, request, &response)));
  if (!response.words_error().empty() && !command.options.quiet) {
    std::fprintf(stderr, "names and captions were not searched for words: %s\n",
                 response.words_error().c_str());
  }
  return response;
}

std::string AboutUnsureHits(const v1::SearchResponse& response) {
  const std::string cut = absl::StrFormat("%.0f %%", 100.0 * response.cut_confidence());
  if (response.hits().empty()) {
    return absl::StrCat("Nothing in the library seems to match: all of the ", response.unsure_count(),
                        " nearest photos are below ", cut, " confidence. --all shows them.");
  }
  return absl::StrCat(response.unsure_count(), " more below ", cut, " confidence; --all shows them.");
}

void PrintHits(const Command& command, const v1::SearchResponse& response, const std::string& filter) {
  for (const v1::SearchHit& hit : response.hits()) {
    const v1::Asset& asset = hit.asset();
    const std::string place =
        asset.paths().empty() ? absl::StrCat("(no file) ", asset.asset_id()) : asset.paths(0);
    std::string figures = absl::StrFormat("%3d  %.3f ", hit.rank(), hit.score());
    if (hit.has_confidence()) absl::StrAppendFormat(&figures, " %3.0f %% ", 100.0 * hit.confidence());
    const std::string words =
        hit.matched_words().empty()
            ? ""
            : command.terminal.Dim(absl::StrCat("  (", absl::StrJoin(hit.matched_words(), ", "), ")"));
    std::printf("%s %s%s\n", command.terminal.Dim(figures).c_str(), place.c_str(), words.c_str());
  }
  if (response.unsure_count() > 0) {
    std::printf("%s\n", command.terminal.Dim(AboutUnsureHits(response)).c_str());
  } else if (response.hits().empty()) {
    std::printf("Nothing found: %s.\n",
                filter.empty() ? "the library holds no photos" : "no photo of the library passes the filter");
  }
  if (response.has_explanation()) {
    const v1::SearchExplanation& how = response.explanation();
    std::printf("%s\n", command.terminal
                            .Dim(absl::StrFormat(
                                "plan %s (%s); %d of %d vectors live; encode %.1f ms, search %.1f ms, "
                                "records %.1f ms; model %s",
                                how.plan(), how.reason(), how.live_size(), how.index_size(),
                                static_cast<double>(how.encode_micros()) / 1e3,
                                static_cast<double>(how.search_micros()) / 1e3,
                                static_cast<double>(how.fetch_micros()) / 1e3, how.model_fingerprint()))
                            .c_str());
    if (how.has_filter()) {
      const v1::FilterExplanation& filtered = how.filter();
      std::printf("%s\n",
                  command.terminal
                      .Dim(absl::StrFormat(
                          "filter passes %d photos, found in %.1f ms%s; expected %d comparisons; "
                          "comparing those that pass %.2f ms, graph %.2f ms",
                          filtered.matching_count(), static_cast<double>(filtered.filter_micros()) / 1e3,
                          filtered.cached() ? " (kept)" : "", filtered.estimated_comparisons(),
                          filtered.estimated_exact_micros() / 1e3, filtered.estimated_graph_micros() / 1e3))
                      .c_str());
    }
    if (how.has_words()) {
      std::printf("%s\n", command.terminal
                              .Dim(absl::StrFormat("words \"%s\" name %d photos, found in %.1f ms",
                                                   absl::StrJoin(how.words().words(), " "),
                                                   how.words().matching_count(),
                                                   static_cast<double>(how.words().word_micros()) / 1e3))
                              .c_str());
    }
  }
}

void PrintHitsAsJson(const v1::SearchResponse& response, const std::string& image) {
  if (response.hits().empty() && response.unsure_count() > 0) {
    std::fprintf(stderr, "%s\n", AboutUnsureHits(response).c_str());
  }
  for (const v1::SearchHit& hit : response.hits()) {
    Json json = HitToJson(hit);
    if (!image.empty()) json["image"] = image;
    PrintJson(json);
  }
  if (response.has_explanation()) PrintJson({{"explanation", ExplanationToJson(response.explanation())}});
}

Json ResultsToJson(const std::string& query, const v1::SearchResponse& response) {
  Json json = {{"query", query}};
  Json& results = json["results"] = Json::array();
  for (const v1::SearchHit& hit : response.hits()) results.push_back(HitToJson(hit));
  if (response.unsure_count() > 0) json["unsure"] = response.unsure_count();
  if (response.has_explanation()) json["explanation"] = ExplanationToJson(response.explanation());
  return json;
}

// Everything of the request but the text.
absl::StatusOr<v1::SearchRequest> BaseRequest(const SearchOptions& options) {
  v1::SearchRequest request;
  request.set_page_size(options.limit);
  request.set_explain(options.explain);
  request.set_exact(options.exact);
  request.set_ef_search(options.ef_search);
  request.set_filter(options.filter);
  request.set_min_confidence(options.min_confidence);
  request.set_cut_noise(!options.all);
  request.set_no_words(options.no_words);
  if (!options.image.empty()) {
    EIDETIC_ASSIGN_OR_RETURN(*request.add_terms(), ImageTerm(options.image));
  }
  if (!options.not_text.empty()) {
    v1::QueryTerm* term = request.add_terms();
    term->set_text(options.not_text);
    term->set_weight(kNotWeight);
  }
  return request;
}

int RunQueries(const Command& command, const SearchOptions& options) {
  const auto queries = ReadInputLines(options.queries);
  if (!queries.ok()) return Fail(command, queries.status());
  const auto base = BaseRequest(options);
  if (!base.ok()) return Fail(command, base.status());
  auto connection = LibraryConnection::Open(command.options, {.command = "search"});
  if (!connection.ok()) return Fail(command, connection.status());
  size_t skipped = 0;
  for (const std::string& query : *queries) {
    v1::SearchRequest request = *base;
    request.add_terms()->set_text(query);
    const auto response = Search(command, **connection, request);
    if (!response.ok()) {
      ++skipped;
      Fail(command, AddContext(response.status(), absl::StrCat("query \"", query, "\"")));
      continue;
    }
    if (command.options.json) {
      PrintJson(ResultsToJson(query, *response));
    } else {
      std::printf("%s\n", command.terminal.Bold(query).c_str());
      PrintHits(command, *response, options.filter);
    }
  }
  if (const absl::Status closed = (*connection)->Close(); !closed.ok()) return Fail(command, closed);
  if (skipped == 0) return kDone;
  return skipped == queries->size() ? kFailed : kInputsSkipped;
}

int RunSearch(const Command& command, const SearchOptions& options) {
  if (!options.queries.empty()) {
    if (!options.text.empty()) {
      return Fail(command, absl::InvalidArgumentError("give either TEXT or --queries, not both"),
                  kWrongUsage);
    }
    return RunQueries(command, options);
  }
  if (options.text.empty() && options.image.empty()) {
    return Fail(
        command,
        absl::InvalidArgumentError("nothing to search for: give a TEXT, --image FILE or --queries FILE"),
        kWrongUsage);
  }
  auto request = BaseRequest(options);
  if (!request.ok()) return Fail(command, request.status());
  if (!options.text.empty()) request->add_terms()->set_text(options.text);
  auto connection = LibraryConnection::Open(command.options, {.command = "search"});
  if (!connection.ok()) return Fail(command, connection.status());
  const auto response = Search(command, **connection, *request);
  if (!response.ok()) return Fail(command, response.status());
  if (command.options.json) {
    PrintHitsAsJson(*response, "");
  } else {
    PrintHits(command, *response, options.filter);
  }
  if (const absl::Status closed = (*connection)->Close(); !closed.ok()) return Fail(command, closed);
  return kDone;
}

int RunSimilar(const Command& command, const SimilarOptions& options) {
  if (options.images.empty() == options.id.empty()) {
    return Fail(command, absl::InvalidArgumentError("give pictures, or one --id"), kWrongUsage);
  }
  auto connection = LibraryConnection::Open(command.options, {.command = "similar"});
  if (!connection.ok()) return Fail(command, connection.status());
  const size_t inputs = options.id.empty() ? options.images.size() : 1;
  size_t skipped = 0;
  for (size_t i = 0; i < inputs; ++i) {
    const std::string image = options.id.empty() ? options.images[i] : "";
    const auto respond = [&]() -> absl::StatusOr<v1::SearchResponse> {
      v1::SearchRequest request;
      request.set_page_size(options.limit);
      request.set_exact(options.exact);
      request.set_explain(options.explain);
      request.set_filter(options.filter);
      if (image.empty()) {
        request.add_terms()->set_asset_id(options.id);
      } else {
        EIDETIC_ASSIGN_OR_RETURN(*request.add_terms(), ImageTerm(image));
      }
      return Search(command, **connection, request);
    };
    const auto response = respond();
    if (!response.ok()) {
      ++skipped;
      Fail(command, image.empty() ? response.status() : AddContext(response.status(), image));
    } else if (command.options.json) {
      PrintHitsAsJson(*response, inputs > 1 ? image : "");
    } else {
      if (inputs > 1) std::printf("%s\n", command.terminal.Bold(image).c_str());
      PrintHits(command, *response, options.filter);
    }
  }
  if (const absl::Status closed = (*connection)->Close(); !closed.ok()) return Fail(command, closed);
  if (skipped == 0) return kDone;
  return skipped == inputs ? kFailed : kInputsSkipped;
}

}  // namespace

void AddSearchCommand(CLI::App& app, Command& command) {
  auto options = std::make_shared<SearchOptions>();
  CLI::App* search = app.add_subcommand("search", "Find pictures by a sentence, a picture, or both");
  search->footer(
      "Examples:\n"
      "  eidetic search \"two dogs playing in the snow\"\n"
      "  eidetic search \"at night\" --image harbour.jpg --limit 20\n"
      "  eidetic search \"a beach\" --not \"people\"\n"
      "  eidetic search \"our dog\" --filter 'taken >= \"2023-06-01\" AND folder:Italy'\n"
      "  eidetic search \"a church\" --filter 'within(41.9, 12.5, 20) AND NOT tag:screenshot'\n"
      "  eidetic search \"Grandma's 80th\"\n"
      "  eidetic search \"a piano\" --all\n"
      "  eidetic search --queries queries.txt --json");
  search->add_option("TEXT", options->text, "What the picture shows, in English")->type_name("");
  search->add_option("--image", options->image, "A picture to start from; with TEXT both count alike")
      ->type_name("FILE");
  search->add_option("--not", options->not_text, "What the picture should not show")->type_name("TEXT");
  search->add_option("--queries", options->queries, "One query a line (\"-\": standard input)")
      ->type_name("FILE");
  search->add_flag(
      "--no-words", options->no_words,
      "Do not look for TEXT's words in file and folder names, tags, albums, places and captions");
  CLI::Option* all =
      search->add_flag("--all", options->all,
                       "Show hits that seem to be noise too. They are left out of a search by text alone in "
                       "a library of 200 photos or more");
  search
      ->add_option(
          "--min-confidence", options->min_confidence,
          "Leave out hits that less likely show what TEXT says, 0 to 1; 0.12 also leaves out most of what "
          "only resembles it")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("P")
      ->excludes(all);
  AddResultOptions(search, options->filter, options->limit, options->exact, options->explain);
  search->add_option("--ef-search", options->ef_search, "Effort of the graph search; 0: chosen for you")
      ->check(CLI::Range(0, 100'000));
  search->callback(
      [&command, options] { command.run = [&command, options] { return RunSearch(command, *options); }; });
}

void AddSimilarCommand(CLI::App& app, Command& command) {
  auto options = std::make_shared<SimilarOptions>();
  CLI::App* similar = app.add_subcommand("similar", "Find pictures that look like a picture");
  similar->footer(
      "A picture that is in the library itself is the first of its own hits, when it passes the filter.\n"
      "Example:\n"
      "  eidetic similar harbour.jpg --filter 'camera = \"X100V\" AND rating >= 4'");
  similar->add_option("IMAGE", options->images, "Pictures, of the library or not")->type_name("");
  similar->add_option("--id", options->id, "A picture of the library by its id")->type_name("ID");
  AddResultOptions(similar, options->filter, options->limit, options->exact, options->explain);
  similar->callback(
      [&command, options] { command.run = [&command, options] { return RunSimilar(command, *options); }; });
}

}  // namespace eidetic::cli
