// What a repair did, for people and as JSON (docs/cli.md). Stateless.
#ifndef EIDETIC_CLI_REPAIR_REPORT_H_
#define EIDETIC_CLI_REPAIR_REPORT_H_

#include <string>

#include "cli/json_output.h"
#include "storage/repair.h"

namespace eidetic::cli {

Json RepairReportToJson(const storage::RepairReport& report);
// Lines that end with a line feed.
std::string DescribeRepair(const storage::RepairReport& report);

}  // namespace eidetic::cli

#endif  // EIDETIC_CLI_REPAIR_REPORT_H_
