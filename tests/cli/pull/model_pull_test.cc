// PullModel against a server of our own that misbehaves in one way each.
#include "cli/pull/model_pull.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <openssl/sha.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/encoder/tiny_model.h"

namespace eidetic::cli {
namespace {

using encoder::ReadWholeFile;
using testing::HasSubstr;

constexpr char kTower[] = "onnx/vision_model.onnx";

std::string Sha256(const std::string& content) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const uint8_t*>(content.data()), content.size(),
         reinterpret_cast<uint8_t*>(digest.data()));
  return absl::BytesToHexString(digest);
}

std::string GitSha1(const std::string& content) {
  const std::string blob = absl::StrCat("blob ", content.size(), std::string(1, '\0'), content);
  std::string digest(SHA_DIGEST_LENGTH, '\0');
  SHA1(reinterpret_cast<const uint8_t*>(blob.data()), blob.size(), reinterpret_cast<uint8_t*>(digest.data()));
  return absl::BytesToHexString(digest);
}

class ModelPullTest : public testing::Test {
 protected:
  using Handler = std::function<void(const std::string& content, httplib::Response&)>;

  ModelPullTest() : folder_(absl::StrCat(work_.folder(), "/models/tiny")) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(work_.folder())) {
      if (!entry.is_regular_file()) continue;
      const std::string path = std::filesystem::relative(entry.path(), work_.folder()).string();
      files_[path] = ReadWholeFile(entry.path().string());
    }
    server_.Get("/api/models/owner/tiny/tree/main",
                [this](const httplib::Request&, httplib::Response& response) {
                  ++listings_;
                  response.set_content(Listing(), "application/json");
                });
    server_.Get("/owner/tiny/resolve/main/(.+)",
                [this](const httplib::Request& request, httplib::Response& response) {
                  const std::string path = request.matches[1];
                  requests_.push_back(absl::StrCat(path, " ", request.get_header_value("Range")));
                  if (const auto handler = handlers_.find(path); handler != handlers_.end()) {
                    handler->second(files_[path], response);
                  } else if (files_.contains(path)) {
                    response.set_content(files_[path], "application/octet-stream");
                  } else {
                    response.status = 404;
                  }
                });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~ModelPullTest() override {
    server_.stop();
    thread_.join();
  }

  // Towers as large files, as a server tells them.
  std::string Listing() const {
    nlohmann::json list = {{{"type", "directory"}, {"path", "onnx"}, {"oid", "x"}, {"size", 0}}};
    for (const auto& [path, content] : files_) {
      nlohmann::json entry = {
          {"type", "file"}, {"path", path}, {"size", content.size()}, {"oid", GitSha1(content)}};
      if (path.ends_with(".onnx")) entry["lfs"] = {{"oid", Sha256(content)}, {"size", content.size()}};
      list.push_back(entry);
    }
    return list.dump();
  }

  absl::StatusOr<PulledModel> Pull() {
    return Pull([](const PullProgress&) { return true; });
  }
  absl::StatusOr<PulledModel> Pull(absl::FunctionRef<bool(const PullProgress&)> progress) {
    const auto source = ParseModelSource("owner/tiny", "main", absl::StrCat("http://127.0.0.1:", port_));
    EXPECT_TRUE(source.ok()) << source.status();
    HttpClient client(
        {.attempts = 3, .first_pause = absl::Milliseconds(1), .stalled_after = absl::Seconds(1)});
    return PullModel({.source = *source, .folder = folder_}, client, progress);
  }

  void ExpectPulled() {
    const auto pulled = Pull();
    ASSERT_TRUE(pulled.ok()) << pulled.status();
    EXPECT_EQ(pulled->files, files_.size());
    for (const auto& [path, content] : files_) {
      EXPECT_TRUE(ReadWholeFile(absl::StrCat(folder_, "/", path)) == content) << path;
    }
    EXPECT_FALSE(std::filesystem::exists(folder_ + ".partial"));
  }
  void ExpectRefused(absl::StatusCode code, const std::string& part) {
    const absl::Status status = Pull().status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
    EXPECT_FALSE(std::filesystem::exists(folder_));
  }

  const encoder::TinyModel work_;
  const std::string folder_;
  std::map<std::string, std::string> files_;
  std::map<std::string, Handler> handlers_;
  std::vector<std::string> requests_;
  std::atomic<int> listings_ = 0;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

// Sends `size` bytes from wherever the client asked to begin, then drops the connection.
void SendAndDrop(const std::string& content, httplib::Response& response, size_t size) {
  response.set_content_provider(
      content.size(), "application/octet-stream",
      [&content, size, sent = size_t{0}](size_t offset, size_t length, httplib::DataSink& sink) mutable {
        if (sent >= size) return false;
        const size_t count = std::min({length, size - sent, size_t{512}});
        sent += count;
        return sink.write(content.data() + offset, count);
      });
}

TEST_F(ModelPullTest, DownloadsChecksAndPlaces) {
  uint64_t last = 0;
  const auto pulled = Pull([&last](const PullProgress& progress) {
    EXPECT_GE(progress.done, last);
    last = progress.done;
    return true;
  });
  ASSERT_TRUE(pulled.ok()) << pulled.status();
  EXPECT_EQ(pulled->variant, "plain");
  EXPECT_EQ(last, pulled->bytes);
  EXPECT_THAT(pulled->fingerprint, testing::MatchesRegex("[0-9a-f]{32}"));
  // Once more.
  const absl::Status again = Pull().status();
  EXPECT_EQ(again.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(again.message()), HasSubstr(folder_));
  EXPECT_EQ(listings_, 1);
}

TEST_F(ModelPullTest, GoesOnWhereConnectionsBreak) {
  handlers_[kTower] = [](const std::string& content, httplib::Response& response) {
    SendAndDrop(content, response, 1024);
  };
  ExpectPulled();
  int resumed = 0;
  for (const std::string& request : requests_)
    resumed += request.find(" bytes=") != std::string::npos ? 1 : 0;
  EXPECT_GE(resumed, 4);
}

TEST_F(ModelPullTest, GivesUpOnConnectionsThatBringNothingAndResumesInAnotherRun) {
  const Handler broken = [](const std::string& content, httplib::Response& response) {
    SendAndDrop(content, response, 0);
  };
  handlers_[kTower] = [](const std::string& content, httplib::Response& response) {
    SendAndDrop(content, response, 2048);
  };
  int calls = 0;
  const auto stopped =
      Pull([&](const PullProgress& progress) { return progress.file != kTower || ++calls < 8; });
  EXPECT_EQ(stopped.status().code(), absl::StatusCode::kCancelled) << stopped.status();
  handlers_[kTower] = broken;
  ExpectRefused(absl::StatusCode::kUnavailable, "given up after 3 attempts");
  const auto kept = std::filesystem::file_size(absl::StrCat(folder_, ".partial/", kTower));
  EXPECT_GT(kept, 0u);
  handlers_.clear();
  requests_.clear();
  ExpectPulled();
  EXPECT_THAT(requests_, testing::Contains(HasSubstr(absl::StrCat(kTower, " bytes=", kept, "-"))));
}

TEST_F(ModelPullTest, DamagedOnceIsDownloadedAgain) {
  int downloads = 0;
  handlers_[kTower] = [&downloads](const std::string& content, httplib::Response& response) {
    std::string sent = content;
    if (++downloads == 1) sent[sent.size() / 2] ^= 1;
    response.set_content(sent, "application/octet-stream");
  };
  ExpectPulled();
  EXPECT_EQ(downloads, 2);
}

TEST_F(ModelPullTest, DamagedAlwaysIsRefused) {
  for (const char* path : {kTower, "tokenizer.json"}) {
    handlers_.clear();
    handlers_[path] = [](const std::string& content, httplib::Response& response) {
      std::string sent = content;
      sent.back() ^= 1;
      response.set_content(sent, "application/octet-stream");
    };
    ExpectRefused(absl::StatusCode::kDataLoss, path);
    EXPECT_FALSE(std::filesystem::exists(absl::StrCat(folder_, ".partial/", path)));
  }
}

TEST_F(ModelPullTest, AnswersThatAreLongerOrShorterThanListed) {
  handlers_[kTower] = [](const std::string& content, httplib::Response& response) {
    response.set_content(content + "more", "application/octet-stream");
  };
  ExpectRefused(absl::StatusCode::kDataLoss, "sends more than");
  std::filesystem::remove_all(folder_ + ".partial");
  handlers_[kTower] = [](const std::string& content, httplib::Response& response) {
    response.status = 200;
    response.set_content(content.substr(0, 100), "application/octet-stream");
  };
  EXPECT_FALSE(Pull().ok());
  EXPECT_FALSE(std::filesystem::exists(folder_));
}

TEST_F(ModelPullTest, AnswersOfTheServer) {
  const struct {
    int status;
    absl::StatusCode code;
  } cases[] = {{404, absl::StatusCode::kNotFound},
               {401, absl::StatusCode::kPermissionDenied},
               {403, absl::StatusCode::kPermissionDenied},
               {503, absl::StatusCode::kUnavailable},
               {400, absl::StatusCode::kUnavailable}};
  for (const auto& test : cases) {
    handlers_[kTower] = [&test](const std::string&, httplib::Response& response) {
      response.status = test.status;
    };
    ExpectRefused(test.code, kTower);
  }
}

TEST_F(ModelPullTest, WhatDoesNotLoadGetsNoName) {
  files_[kTower] = "not a model";
  ExpectRefused(absl::StatusCode::kInvalidArgument, kTower);
}

TEST_F(ModelPullTest, NoServerAndNoTls) {
  HttpClient client({.attempts = 1});
  const auto progress = [](uint64_t) { return true; };
  EXPECT_EQ(client.Get("http://127.0.0.1:1/", 100, progress).status().code(), absl::StatusCode::kUnavailable);
  for (const char* url :
       {"http://models.example.org/x", "http://127.0.0.1.example.org/x", "file:///etc/passwd", "ftp://x/y"}) {
    EXPECT_EQ(client.Get(url, 100, progress).status().code(), absl::StatusCode::kInvalidArgument) << url;
  }
}

}  // namespace
}  // namespace eidetic::cli
