#include "service/confidence.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "tests/service/hosted_library.h"

namespace eidetic::service {
namespace {

using searcher::SearchEngine;

// Lets a test hold up searches.
class SlowEngine final : public SearchEngine {
 public:
  explicit SlowEngine(std::unique_ptr<SearchEngine> engine) : engine_(std::move(engine)) {}

  absl::StatusOr<searcher::ImageMatches> SearchImages(
      const searcher::QueryVector& query, const searcher::VectorSearchOptions& options) const override {
    if (hold) {
      if (!began.HasBeenNotified()) began.Notify();
      go_on.WaitForNotification();
    }
    return engine_->SearchImages(query, options);
  }
  absl::StatusOr<searcher::CaptionMatches> SearchCaptions(
      const searcher::QueryVector& query, const searcher::VectorSearchOptions& options) const override {
    return engine_->SearchCaptions(query, options);
  }
  absl::StatusOr<std::vector<searcher::ImageMatches>> SearchImagesBatch(
      std::span<const searcher::QueryVector> queries,
      const searcher::VectorSearchOptions& options) const override {
    return engine_->SearchImagesBatch(queries, options);
  }
  absl::Status CatchUp() override { return engine_->CatchUp(); }
  void StartFollowing() override { engine_->StartFollowing(); }
  void StopFollowing() override { engine_->StopFollowing(); }
  absl::Status SaveSnapshot() override { return engine_->SaveSnapshot(); }
  searcher::SearchEngineStatus status() const override { return engine_->status(); }

  std::atomic<bool> hold = false;
  mutable absl::Notification began;
  absl::Notification go_on;

 private:
  std::unique_ptr<SearchEngine> engine_;
};

TEST(ConfidenceTest, SearchesUseTheLastOneWhileANewOneIsMade) {
  const TemporaryFolder folder;
  auto library = storage::Library::Open(folder.path() + "/library", {.create = true});
  ASSERT_TRUE(library.ok()) << library.status();
  auto opened = SearchEngine::Open(library->get(), {.follow_changes = false});
  ASSERT_TRUE(opened.ok()) << opened.status();
  SlowEngine engine(*std::move(opened));
  ModelSession model(library->get(), nullptr, {.folder = TestModelFolder()});
  ASSERT_TRUE(model.UseWithLibrary().ok());
  const int dimension = (*model.Encoder())->dimension();
  const auto put_photos = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      storage::PutAsset put;
      put.asset_id = absl::StrCat("photo", i);
      put.embedding = RandomUnitVector(dimension, static_cast<uint64_t>(i));
      const auto committed = (*library)->Commit({put});
      ASSERT_TRUE(committed.ok() && committed->front().ok());
    }
    ASSERT_TRUE(engine.CatchUp().ok());
  };
  Confidence confidence(library->get(), &engine, &model, nullptr, nullptr);
  put_photos(0, 10);
  const auto first = confidence.Current({});
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ((*first)->photo_count(), 10U);

  put_photos(10, 20);
  engine.hold = true;
  std::thread maker([&] {
    const auto made = confidence.Current({});
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_EQ((*made)->photo_count(), 20U);
  });
  engine.began.WaitForNotification();
  const auto meanwhile = confidence.Current({});
  engine.go_on.Notify();
  maker.join();
  ASSERT_TRUE(meanwhile.ok()) << meanwhile.status();
  EXPECT_EQ((*meanwhile)->photo_count(), 10U);
  const auto after = confidence.Current({});
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ((*after)->photo_count(), 20U);
}

}  // namespace
}  // namespace eidetic::service
