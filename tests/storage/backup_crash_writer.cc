// The process that backup_test kills: backs the library of argv[1] up into
// argv[2] again and again, and writes to the file descriptor argv[3] "o" once the
// library is open and "b" after each backup.

#include <unistd.h>

#include "absl/strings/numbers.h"
#include "storage/library.h"
#include "tests/storage/test_library.h"

int main(int argc, char** argv) {
  using namespace eidetic::storage;
  int acknowledged = 0;
  if (argc != 4 || !absl::SimpleAtoi(argv[3], &acknowledged)) return 5;
  const auto library = OpenTestLibrary(argv[1]);
  if (library == nullptr || write(acknowledged, "o", 1) != 1) return 1;
  while (library->CreateBackup({.directory = argv[2]}).ok()) {
    if (write(acknowledged, "b", 1) != 1) return 2;
  }
  return 3;
}
