// kill -9 at random moments: what was acknowledged is there, whole.

#include <gtest/gtest.h>
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

// Runs in the child: puts assets until killed and writes the number of each to
// `acknowledged` once its commit returned.
[[noreturn]] void PutUntilKilled(const std::string& directory, uint32_t first, int acknowledged) {
  const auto library = OpenTestLibrary(directory);
  if (library == nullptr) _exit(1);
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
    if (!CommitOne(*library, put).ok()) _exit(2);
    if (i % 5 == 4) {
      // Not there when an earlier child was killed between the two.
      const absl::Status removed = CommitOne(*library, DeleteAsset{absl::StrCat("a", i - 2)});
      if (!removed.ok() && !absl::IsNotFound(removed)) _exit(3);
    }
    if (write(acknowledged, &i, sizeof(i)) != sizeof(i)) _exit(4);
  }
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
    usleep(std::uniform_int_distribution<useconds_t>(5'000, 400'000)(moments));
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
