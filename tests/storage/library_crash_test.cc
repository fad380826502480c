// kill -9 at random moments: what was acknowledged is there, whole.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/library.h"
#include "tests/storage/test_library.h"

namespace eidetic::storage {
namespace {

// Becomes library_crash_writer: a process of its own, as threads do not survive a fork.
[[noreturn]] void PutUntilKilled(const std::string& directory, uint32_t first, int acknowledged) {
  execl(EIDETIC_BINARY_DIR "/tests/library_crash_writer", "library_crash_writer", directory.c_str(),
        absl::StrCat(first).c_str(), absl::StrCat(acknowledged).c_str(), nullptr);
  _exit(127);
}

TEST(LibraryCrashTest, NothingAcknowledgedIsLost) {
  constexpr int kKills = 20;
  const TestFolder folder;
  const std::string directory = folder / "library";
  std::mt19937 moments(20261124);
  std::vector<uint32_t> done;
  for (int round = 0; round < kKills; ++round) {
    int acknowledged[2];
    ASSERT_EQ(pipe(acknowledged), 0);
    const uint32_t first = done.empty() ? 0 : done.back() + 2;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(acknowledged[0]);
      PutUntilKilled(directory, first, acknowledged[1]);
    }
    close(acknowledged[1]);
    // Every other one is killed at work; the others maybe while they start.
    pollfd first_acknowledged = {.fd = acknowledged[0], .events = POLLIN};
    if (round % 2 == 1) {
      ASSERT_EQ(poll(&first_acknowledged, 1, 30'000), 1);
    }
    usleep(std::uniform_int_distribution<useconds_t>(5'000, 150'000)(moments));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
    for (uint32_t number = 0; read(acknowledged[0], &number, sizeof(number)) == sizeof(number);) {
      done.push_back(number);
    }
    close(acknowledged[0]);

    const auto library = OpenTestLibrary(directory);
    ASSERT_NE(library, nullptr);
    int faults = 0;
    ASSERT_TRUE(library
                    ->VerifyAll(
                        [&](const Fault& fault) {
                          faults += 1;
                          ADD_FAILURE() << fault.place << " " << fault.message;
                        },
                        [](uint64_t, uint64_t) { return true; })
                    .ok());
    ASSERT_EQ(faults, 0) << "after kill " << round;
    for (const uint32_t number : done) {
      // Deleted two later, when that one was acknowledged or at work.
      if (number % 5 == 2) continue;
      const auto asset = library->GetAsset(absl::StrCat("a", number));
      ASSERT_TRUE(asset.ok()) << "after kill " << round << ": " << asset.status();
      ASSERT_EQ(*library->GetEmbedding(asset->record.ordinal()), UnitVector(number));
      ASSERT_EQ(library->GetCaptions(asset->record.ordinal())->front().record.text(),
                absl::StrCat("caption ", number));
    }
  }
  EXPECT_GT(done.size(), 50U);
}

}  // namespace
}  // namespace eidetic::storage
