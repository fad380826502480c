#include "service/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace eidetic::service {
namespace {

std::unique_ptr<HttpServer> StartServer(std::vector<HttpRoute> routes) {
  auto server = HttpServer::Start({.host = "127.0.0.1", .port = 0}, std::move(routes));
  EXPECT_TRUE(server.ok()) << server.status();
  return server.ok() ? *std::move(server) : nullptr;
}

HttpRoute Hello() {
  return {"/hello", [] { return HttpPage{.content_type = "text/x-greeting", .body = "hello\n"}; }};
}

TEST(HttpServerTest, AnswersItsRoutesAlone) {
  const auto server =
      StartServer({Hello(), {"/down", [] { return HttpPage{.code = 503, .body = "down\n"}; }}});
  httplib::Client client("127.0.0.1", server->address().port);
  const auto hello = client.Get("/hello");
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->status, 200);
  EXPECT_EQ(hello->body, "hello\n");
  EXPECT_EQ(hello->get_header_value("Content-Type"), "text/x-greeting");
  EXPECT_EQ(client.Head("/hello")->status, 200);
  EXPECT_EQ(client.Get("/down")->status, 503);
  EXPECT_EQ(client.Get("/hello/more")->status, 404);
  EXPECT_EQ(client.Get("/../etc/passwd")->status, 404);
  EXPECT_NE(client.Post("/hello", "x", "text/plain")->status, 200);
}

TEST(HttpServerTest, RefusesLargeRequests) {
  const auto server = StartServer({Hello()});
  httplib::Client client("127.0.0.1", server->address().port);
  EXPECT_EQ(client.Get(absl::StrCat("/", std::string(10'000, 'x')).c_str())->status, 414);
  const auto large = client.Post("/hello", std::string(100'000, 'x'), "text/plain");
  EXPECT_TRUE(!large || large->status == 413 || large->status == 404);
  EXPECT_EQ(httplib::Client("127.0.0.1", server->address().port).Get("/hello")->status, 200);
}

TEST(HttpServerTest, AHandlerThatThrowsIsAnInternalError) {
  const auto server = StartServer({{"/throws", []() -> HttpPage { throw std::runtime_error("secret"); }}});
  const auto answer = httplib::Client("127.0.0.1", server->address().port).Get("/throws");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 500);
  EXPECT_EQ(answer->body, "internal error\n");
  EXPECT_FALSE(answer->has_header("EXCEPTION_WHAT"));
}

// More connections than threads and waiting places together.
TEST(HttpServerTest, ManyClientsAreAllAnswered) {
  const auto server = StartServer({{"/slow", [] {
                                      absl::SleepFor(absl::Milliseconds(5));
                                      return HttpPage{.body = "slow"};
                                    }}});
  std::atomic<int> answered = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 60; ++i) {
    clients.emplace_back([&] {
      httplib::Client client("127.0.0.1", server->address().port);
      client.set_read_timeout(30);
      const auto answer = client.Get("/slow");
      if (answer && answer->body == "slow") ++answered;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, 60);
}

TEST(HttpServerTest, SaysWhyItCannotListen) {
  const auto first = StartServer({Hello()});
  const auto second = HttpServer::Start(first->address(), {Hello()});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(second.status().message(), testing::AllOf(testing::HasSubstr(first->address().Target()),
                                                        testing::HasSubstr("--http-address")));
  EXPECT_EQ(HttpServer::Start({.host = "192.0.2.1", .port = 0}, {}).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(HttpServer::Start({.socket_path = "/tmp/socket"}, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(HttpServerTest, StopsWhileAConnectionIsIdle) {
  auto server = StartServer({Hello()});
  httplib::Client client("127.0.0.1", server->address().port);
  client.set_keep_alive(true);
  ASSERT_EQ(client.Get("/hello")->status, 200);
  const absl::Time start = absl::Now();
  server = nullptr;
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
}

}  // namespace
}  // namespace eidetic::service
