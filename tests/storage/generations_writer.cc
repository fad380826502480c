// Fills a second generation of a library, switches to it and back and drops it,
// again and again until it is killed; for generations_test.
//
//   generations_writer LIBRARY

#include <cstdint>
#include <optional>

#include "storage/generation.h"
#include "storage/library.h"
#include "tests/storage/test_generations.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {
namespace {

int ChangeUntilKilled(const std::string& directory) {
  auto opened = Library::Open(directory, {});
  if (!opened.ok()) return 1;
  Library& library = **opened;
  while (true) {
    const auto started = library.StartGeneration(TestModel(kNewDimension, kNew));
    if (!started.ok()) return 2;
    const uint64_t number = started->number();
    while (true) {
      const auto missing = (*library.OpenGeneration(number))->NewView()->ListMissing(std::nullopt, 1);
      if (!missing.ok()) return 3;
      if (missing->empty()) break;
      if (!library.PutGenerationVectors(number, kNew, {Encode(missing->front())}).ok()) return 4;
    }
    if (!library.SwitchGeneration(number, {}).ok()) return 5;
    if (!library.SwitchGeneration(1, {}).ok()) return 6;
    if (!library.DropGeneration(number).ok()) return 7;
  }
}

}  // namespace
}  // namespace eidetic::storage

int main(int argc, char** argv) { return argc == 2 ? eidetic::storage::ChangeUntilKilled(argv[1]) : 64; }
