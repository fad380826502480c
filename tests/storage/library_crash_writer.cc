// The process that library_crash_test kills: puts assets into the library of
// argv[1], from number argv[2] on, and writes each number to the file descriptor
// argv[3] once its commit returned.

#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "storage/library.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {
namespace {

int PutUntilKilled(const std::string& directory, uint32_t first, int acknowledged) {
  const auto library = OpenTestLibrary(directory);
  if (library == nullptr) return 1;
  for (uint32_t i = first;; ++i) {
    PutAsset put;
    put.asset_id = absl::StrCat("a", i);
    put.embedding = UnitVector(i);
    put.path.emplace();
    put.path->path = absl::StrCat("/", i);
    CaptionSet captions;
    captions.source = eidetic::v1::CAPTION_SOURCE_CLIENT;
    captions.captions.push_back({absl::StrCat("caption ", i), UnitVector(i + 1)});
    put.caption_sets.push_back(std::move(captions));
    if (!CommitOne(*library, put).ok()) return 2;
    if (i % 5 == 4) {
      // Not there when an earlier child was killed between the two.
      const absl::Status removed = CommitOne(*library, DeleteAsset{absl::StrCat("a", i - 2)});
      if (!removed.ok() && !absl::IsNotFound(removed)) return 3;
    }
    if (write(acknowledged, &i, sizeof(i)) != sizeof(i)) return 4;
  }
}

}  // namespace
}  // namespace eidetic::storage

int main(int argc, char** argv) {
  uint32_t first = 0;
  int acknowledged = 0;
  if (argc != 4 || !absl::SimpleAtoi(argv[2], &first) || !absl::SimpleAtoi(argv[3], &acknowledged)) return 5;
  return eidetic::storage::PutUntilKilled(argv[1], first, acknowledged);
}
