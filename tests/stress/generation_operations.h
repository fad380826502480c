// Operations on a library's generations, beside commits: one of the two models is
// in use, the other's generation is filled, switched to, dropped. Used as those of
// operations.h.
#ifndef EIDETIC_TESTS_STRESS_GENERATION_OPERATIONS_H_
#define EIDETIC_TESTS_STRESS_GENERATION_OPERATIONS_H_

#include "absl/status/status.h"
#include "eidetic/storage/v1/records.pb.h"
#include "tests/stress/operations.h"
#include "tests/stress/truth.h"

namespace eidetic::stress {

storage::v1::GenerationRecord ModelRecord(Model model);

// Encodes some of what the other model's generation lacks, starting it if need be.
absl::Status FillGeneration(Worker& worker);
// Encodes all it lacks, and puts it and an engine of it in the place of the one in
// use, as a server does: forward or back.
absl::Status SwitchGeneration(Worker& worker);
// Drops the one that is not in use: aborted or retired.
absl::Status DropGeneration(Worker& worker);

}  // namespace eidetic::stress

#endif  // EIDETIC_TESTS_STRESS_GENERATION_OPERATIONS_H_
