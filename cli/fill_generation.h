// GenerationService.FillGeneration as commands use it: progress bar, failures,
// summary, Ctrl-C. And generations as people and programs read them. Used by the
// command's thread.
#ifndef EIDETIC_CLI_FILL_GENERATION_H_
#define EIDETIC_CLI_FILL_GENERATION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/json_output.h"
#include "cli/library_connection.h"
#include "eidetic/v1/generation_service.pb.h"

namespace eidetic::cli {

struct FillOutcome {
  eidetic::v1::FillSummary summary;
  std::vector<eidetic::v1::FillFailure> failures;
};

// Errors: the call's; kCancelled when it was interrupted.
absl::StatusOr<FillOutcome> FillGeneration(const Command& command, const LibraryConnection& connection,
                                           const eidetic::v1::FillGenerationRequest& request,
                                           const Interrupt& interrupt);

// For people, several lines.
void PrintOutcome(const Command& command, const FillOutcome& outcome);
Json OutcomeToJson(const FillOutcome& outcome);

// "2  clip-large, filling: 1,200 of 20,000 photos, 40 of 800 captions".
std::string DescribeGeneration(const eidetic::v1::GenerationStatus& generation);
Json GenerationToJson(const eidetic::v1::GenerationStatus& generation);

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_FILL_GENERATION_H_
